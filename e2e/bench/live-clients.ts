/** Entry of a process of clients: publishes streams in real time and notes when their finals come. Forked by the bench. */
import { readFile } from 'node:fs/promises';
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket, useSdesMid } from 'werift';
import { WebSocket } from 'ws';
import { opusPackets } from '../clients/webrtc.ts';
import { monotonicMs, type ClientResult, type ClientStream, type FromClients, type HeardFinal, type HeardWord, type ToClients } from './live-messages.ts';

const API = '/v1/modules/scaiecho';
const PCM_BYTES_PER_MS = 32;
/** What the page's audio worklet sends at a time. */
const WEBSOCKET_CHUNK_MS = 100;
const OPUS_PACKET_MS = 20;
const OPUS_TICKS_PER_PACKET = 960;
const OPUS_PAYLOAD_TYPE = 111;
/** Streams that start later than this connect so long before they do. */
const CONNECT_LATER_MS = 30_000;
const CONNECT_BEFORE_MS = 5000;

interface Frame {
  readonly type: string;
  readonly is_final?: boolean;
  readonly words?: readonly HeardWord[];
  readonly code?: string;
  readonly message?: string;
}

/** A connected way in. */
interface Publisher {
  readonly chunkMs: number;
  readonly chunks: readonly Uint8Array[];
  send(chunk: Uint8Array, index: number): void;
  finish(): Promise<void>;
}

class Stream {
  readonly #spec: ClientStream;
  readonly #publisher: Publisher;
  readonly #heard: Heard;
  readonly #sentMs: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(spec: ClientStream, publisher: Publisher, heard: Heard) {
    this.#spec = spec;
    this.#publisher = publisher;
    this.#heard = heard;
  }

  /** Sends each chunk when its last sample would have been spoken. */
  play(startMs: number): void {
    const { chunks, chunkMs } = this.#publisher;
    const next = this.#sentMs.length;
    if (next === chunks.length) return;
    const dueMs = startMs + this.#spec.offsetMs + (next + 1) * chunkMs;
    this.#timer = setTimeout(() => {
      this.#publisher.send(chunks[next]!, next);
      this.#sentMs.push(monotonicMs());
      this.play(startMs);
    }, Math.max(0, dueMs - monotonicMs()));
  }

  async finish(): Promise<ClientResult> {
    clearTimeout(this.#timer);
    await this.#publisher.finish();
    const { finals, errors } = this.#heard;
    return { index: this.#spec.index, chunkMs: this.#publisher.chunkMs, sentMs: this.#sentMs, finals, errors };
  }
}

/** What came back on a socket. */
class Heard {
  readonly finals: HeardFinal[] = [];
  readonly errors: string[] = [];
  readonly closed: Promise<void>;

  constructor(socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.#hear(JSON.parse(data.toString('utf8')) as Frame));
    socket.on('error', (error) => this.errors.push(error.message));
    this.closed = new Promise((resolve) => {
      socket.once('close', (code) => {
        if (code !== 1000) this.errors.push(`closed with ${String(code)}`);
        resolve();
      });
    });
  }

  #hear(frame: Frame): void {
    if (frame.type === 'error') this.errors.push(`${frame.code ?? ''}: ${frame.message ?? ''}`);
    if (frame.type !== 'delta' || frame.is_final !== true) return;
    this.finals.push({ words: (frame.words ?? []).map(({ text, start, end }) => ({ text, start, end })), arrivedMs: monotonicMs() });
  }
}

async function connectWebSocket(serverUrl: string, spec: ClientStream): Promise<Stream> {
  const socket = new WebSocket(`${serverUrl.replace('http', 'ws')}${API}/stream/transcribe`);
  const heard = new Heard(socket);
  await opened(socket);
  socket.send(JSON.stringify({ type: 'open', media_type: 'audio/pcm', sample_rate: 16_000 }));
  const audio = await readFile(spec.audioFile);
  const chunkBytes = WEBSOCKET_CHUNK_MS * PCM_BYTES_PER_MS;
  const chunks = Array.from({ length: Math.floor(audio.length / chunkBytes) }, (_, i) => audio.subarray(i * chunkBytes, (i + 1) * chunkBytes));
  const publisher: Publisher = {
    chunkMs: WEBSOCKET_CHUNK_MS,
    chunks,
    send: (chunk) => socket.send(chunk),
    finish: async () => {
      socket.send(JSON.stringify({ type: 'close' }));
      await heard.closed;
    },
  };
  return new Stream(spec, publisher, heard);
}

async function connectWebRtc(serverUrl: string, spec: ClientStream): Promise<Stream> {
  const chunks = opusPackets(await readFile(spec.audioFile));
  const opus = new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2, payloadType: OPUS_PAYLOAD_TYPE, parameters: 'minptime=10;useinbandfec=1' });
  const connection = new RTCPeerConnection({
    codecs: { audio: [opus], video: [] },
    headerExtensions: { audio: [useSdesMid()], video: [] },
    iceServers: [],
    iceAdditionalHostAddresses: ['127.0.0.1'],
  });
  const track = new MediaStreamTrack({ kind: 'audio' });
  connection.addTransceiver(track, { direction: 'sendonly' });
  // werift would ask a public STUN server when none is configured.
  for (const { iceTransport } of connection.dtlsTransports) delete iceTransport.connection.stunServer;
  await connection.setLocalDescription(await connection.createOffer());
  const response = await fetch(`${serverUrl}${API}/webrtc/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sdp: { type: 'offer', sdp: connection.localDescription?.sdp } }),
  });
  if (!response.ok) throw new Error(`webrtc/sessions answered ${response.status}: ${await response.text()}`);
  const { data } = (await response.json()) as { data: { session_id: string; control_url: string; answer: { type: 'answer'; sdp: string } } };
  const socket = new WebSocket(data.control_url);
  const heard = new Heard(socket);
  await opened(socket);
  await connection.setRemoteDescription(data.answer);
  if (connection.connectionState !== 'connected') await connection.connectionStateChange.watch((state) => state === 'connected');
  const publisher: Publisher = {
    chunkMs: OPUS_PACKET_MS,
    chunks,
    send: (payload, index) => {
      const header = new RtpHeader({ payloadType: OPUS_PAYLOAD_TYPE, sequenceNumber: index & 0xffff, timestamp: (index * OPUS_TICKS_PER_PACKET) >>> 0, marker: index === 0 });
      track.writeRtp(new RtpPacket(header, Buffer.from(payload)));
    },
    finish: async () => {
      socket.send(JSON.stringify({ type: 'close' }));
      await heard.closed;
      await connection.close();
    },
  };
  return new Stream(spec, publisher, heard);
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject);
  });
}

const tell = (message: FromClients): void => void process.send?.(message);
let streams: Stream[] = [];

/** A session in which nobody speaks for a minute ends: who speaks later connects later. */
let playLater: (startMs: number) => void = () => undefined;

async function connectAll({ serverUrl, transport, streams: specs }: Extract<ToClients, { type: 'connect' }>): Promise<void> {
  const connect = transport === 'webrtc' ? connectWebRtc : connectWebSocket;
  for (const spec of specs) if (spec.offsetMs <= CONNECT_LATER_MS) streams.push(await connect(serverUrl, spec));
  playLater = (startMs) => {
    for (const spec of specs) {
      if (spec.offsetMs <= CONNECT_LATER_MS) continue;
      setTimeout(() => {
        const playing = connect(serverUrl, spec).then((stream) => {
          streams.push(stream);
          stream.play(startMs);
        });
        playing.catch(failed);
      }, startMs + spec.offsetMs - CONNECT_BEFORE_MS - monotonicMs());
    }
  };
  tell({ type: 'connected' });
}

async function finishAll(): Promise<void> {
  const results = await Promise.all(streams.map((stream) => stream.finish()));
  streams = [];
  tell({ type: 'results', results });
}

function failed(error: unknown): void {
  tell({ type: 'failed', reason: String(error) });
}

process.on('message', (message: ToClients) => {
  switch (message.type) {
    case 'connect':
      connectAll(message).catch(failed);
      return;
    case 'play':
      for (const stream of streams) stream.play(message.startMs);
      playLater(message.startMs);
      return;
    case 'finish':
      finishAll().catch(failed);
      return;
  }
});
// The bench ends this process, or is gone itself.
process.on('disconnect', () => process.exit(0));
