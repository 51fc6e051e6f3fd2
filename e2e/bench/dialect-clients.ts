import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { API, type TestServer } from '../server.ts';

/** How one protocol's clients stream audio, at its plainest. */
export interface Dialect {
  readonly name: string;
  readonly rateHz: 16_000 | 24_000;
  /** The socket's address, after what has to be asked for first. */
  readonly url: (server: TestServer) => Promise<string> | string;
  readonly hello?: object;
  /** Default: binary. */
  readonly wrap?: (pcm: Uint8Array) => string;
  readonly goodbye: object;
  /** Tells that nothing more will come, where the server does not close by itself. */
  readonly isLast?: (message: Readonly<Record<string, unknown>>) => boolean;
}

/** A tenth of a second. */
const CHUNKS_PER_SECOND = 10;

const native = (rateHz: Dialect['rateHz']): Dialect => ({
  name: 'native',
  rateHz,
  url: () => `${API}/stream/transcribe`,
  hello: { type: 'open', media_type: `audio/pcm;rate=${rateHz}` },
  goodbye: { type: 'close' },
});

/** What dialects are held against: the native stream with the same audio. */
export const NATIVE: Readonly<Record<Dialect['rateHz'], Dialect>> = { 16_000: native(16_000), 24_000: native(24_000) };

const gladia = (name: string, wrap?: Dialect['wrap']): Dialect => ({
  name,
  rateHz: 16_000,
  url: async (server) => {
    const body = JSON.stringify({ encoding: 'wav/pcm', sample_rate: 16_000, bit_depth: 16, channels: 1, endpointing: 0.7, maximum_duration_without_endpointing: 30, messages_config: { receive_partial_transcripts: true } });
    const created = await fetch(`${server.url}/v2/live`, { method: 'POST', headers: { 'x-gladia-key': server.apiKey, 'content-type': 'application/json' }, body });
    return new URL(((await created.json()) as { url: string }).url).href.replace(/^\w+:\/\/[^/]+/, '');
  },
  ...(wrap && { wrap }),
  goodbye: { type: 'stop_recording' },
});
const base64 = (pcm: Uint8Array): string => Buffer.from(pcm.buffer, pcm.byteOffset, pcm.length).toString('base64');

export const DIALECTS: readonly Dialect[] = [
  { name: 'audiopod', rateHz: 16_000, url: () => '/api/v1/transcription/stream', hello: { type: 'start', language: 'en', sample_rate: 16_000, channels: 1 }, goodbye: { type: 'end' } },
  {
    name: 'deepgram',
    rateHz: 16_000,
    url: () => '/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&endpointing=700&interim_results=true&vad_events=true&utterance_end_ms=1000',
    goodbye: { type: 'CloseStream' },
  },
  gladia('gladia'),
  gladia('gladia in JSON', (pcm) => JSON.stringify({ type: 'audio_chunk', data: { chunk: base64(pcm) } })),
  { name: 'pulse', rateHz: 16_000, url: () => '/waves/v1/stt/live?model=pulse&eou_timeout_ms=700&word_timestamps=true&vad_events=true', goodbye: { type: 'close_stream' } },
  { name: 'vosk', rateHz: 16_000, url: () => '/vosk', hello: { config: { sample_rate: 16_000 } }, goodbye: { eof: 1 } },
  {
    name: 'openai realtime',
    rateHz: 24_000,
    url: () => '/v1/realtime?intent=transcription',
    hello: { type: 'session.update', session: { type: 'transcription', audio: { input: { turn_detection: { type: 'server_vad', silence_duration_ms: 700 } } } } },
    wrap: (pcm) => JSON.stringify({ type: 'input_audio_buffer.append', audio: base64(pcm) }),
    goodbye: { type: 'input_audio_buffer.commit', event_id: 'last' },
    isLast: ({ type, error }) => (type === 'error' && (error as { event_id?: unknown }).event_id === 'last') || type === 'conversation.item.input_audio_transcription.completed',
  },
];

/** Streams samples so many times as fast as they were spoken; resolves with the messages that came, once the last has. */
export async function streamBy(dialect: Dialect, server: TestServer, pcm: Uint8Array, speed: number): Promise<number> {
  const { rateHz, hello, wrap, goodbye, isLast } = dialect;
  const socket = new WebSocket(server.url.replace('http', 'ws') + (await dialect.url(server)), { headers: { authorization: `Bearer ${server.apiKey}` } });
  let messages = 0;
  let isSaid = false;
  socket.on('message', (data: Buffer) => {
    messages += 1;
    if (isSaid && isLast?.(JSON.parse(data.toString()) as Record<string, unknown>)) socket.close();
  });
  const closed = once(socket, 'close') as Promise<[number]>;
  await once(socket, 'open');
  if (hello) socket.send(JSON.stringify(hello));
  const chunkBytes = (2 * rateHz) / CHUNKS_PER_SECOND;
  const startMs = performance.now();
  for (let offset = 0, sent = 1; offset < pcm.length; offset += chunkBytes, sent += 1) {
    const chunk = pcm.subarray(offset, offset + chunkBytes);
    socket.send(wrap ? wrap(chunk) : chunk);
    await sleep(Math.max(0, startMs + (sent * 1000) / CHUNKS_PER_SECOND / speed - performance.now()));
  }
  isSaid = true;
  socket.send(JSON.stringify(goodbye));
  const [code] = await closed;
  if (code !== 1000 && code !== 1005) throw new Error(`${dialect.name} was closed with ${code}`);
  return messages;
}
