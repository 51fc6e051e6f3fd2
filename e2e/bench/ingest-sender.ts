/**
 * Forked by ingest.ts: connects as many WebRTC clients as it is told, then sends their audio at its pace. Everything is encrypted
 * before the first packet goes out, and a packet costs this process one system call, so that the machine is the receiver's.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, SrtpSession, useSdesMid } from 'werift';
import type { RTCDtlsTransport } from 'werift';
import { opusPackets, PACKET_MS, type Sound } from './opus-sound.ts';
import type { SenderCommand, SenderReply } from './ingest-messages.ts';

const PAYLOAD_TYPE = 111;
const TICKS_PER_PACKET = 960;
/** The sound is repeated after this many packets. */
const SOUND_PACKETS = 500;

type SendTo = (fd: number, data: Uint8Array, bytes: bigint, flags: number, address: Uint8Array, addressBytes: number) => number;

interface Stream {
  readonly fd: number;
  readonly to: Uint8Array;
  readonly encrypt: (payload: Buffer, header: RtpHeader) => Buffer;
  readonly ssrc: number;
}

const sendTo = koffi.load('libc.so.6').func('int sendto(int fd, const void *data, size_t bytes, int flags, const void *address, uint32_t size)') as SendTo;
const clients = new Map<number, RTCPeerConnection>();
const streams: Stream[] = [];
const sockets: Socket[] = [];
const CONNECTED_WITHIN_MS = 20_000;
/** A sender that needs more than so many times the time gives up. */
const GIVES_UP_AFTER = 1.5;
/** What the receiver is behind with has time to come to its lanes, and no lane takes it for a mute. */
const PAUSE_MS = 240;

function reply(message: SenderReply): void {
  process.send?.(message);
}

process.on('message', (command: SenderCommand) => {
  run(command).catch((error: unknown) => reply({ kind: 'failed', reason: String(error) }));
});

async function run(command: SenderCommand): Promise<void> {
  switch (command.kind) {
    case 'offer':
      reply({ kind: 'offer', id: command.id, sdp: await offer(command.id, command.srtpProfile) });
      break;
    case 'answer':
      reply({ kind: (await accept(command.id, command.sdp)) ? 'connected' : 'gone', id: command.id });
      break;
    case 'bare':
      for (const master of command.masters) await addBare(command.port, command.srtpProfile, Buffer.from(master, 'hex'));
      reply({ kind: 'connected', id: 0 });
      break;
    case 'play':
      await play(command.sound, command.warmSeconds, command.seconds);
  }
}

// The benchmark is over, however it ended.
process.on('disconnect', () => process.exit(0));

async function offer(id: number, srtpProfile: number): Promise<string> {
  const client = new RTCPeerConnection({
    codecs: { audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2, payloadType: PAYLOAD_TYPE })], video: [] },
    headerExtensions: { audio: [useSdesMid()], video: [] },
    iceServers: [],
    iceAdditionalHostAddresses: ['127.0.0.1'],
    iceUseIpv6: false,
    iceFilterCandidatePair: ({ localCandidate, remoteCandidate }) => localCandidate.host === '127.0.0.1' && remoteCandidate.host === '127.0.0.1',
    bundlePolicy: 'max-bundle',
  });
  clients.set(id, client);
  client.addTransceiver(new MediaStreamTrack({ kind: 'audio' }), { direction: 'sendonly' });
  for (const transport of client.dtlsTransports) {
    delete transport.iceTransport.connection.stunServer;
    (transport as unknown as { srtpProfiles: number[] }).srtpProfiles = [srtpProfile];
  }
  await client.setLocalDescription(await client.createOffer());
  return client.localDescription?.sdp ?? '';
}

/** False if there came no connection of it. */
async function accept(id: number, sdp: string): Promise<boolean> {
  const client = clients.get(id);
  const transport = client?.dtlsTransports[0];
  if (!client || !transport) throw new Error(`There is no client ${id}.`);
  await client.setRemoteDescription({ type: 'answer', sdp });
  if (client.connectionState !== 'connected') await client.connectionStateChange.watch((state) => state === 'connected' || state === 'failed', CONNECTED_WITHIN_MS).catch(() => undefined);
  const pair = transport.iceTransport.connection.nominated;
  if (client.connectionState !== 'connected' || !pair) {
    clients.delete(id);
    await client.close();
    return false;
  }
  const { socket } = (pair.protocol as unknown as { transport: { socket: Socket } }).transport;
  streams.push({ fd: fdOf(socket), to: socketAddress(pair.remoteAddr[0], pair.remoteAddr[1]), encrypt: encryptOf(transport), ssrc: client.getSenders()[0]?.ssrc ?? 0 });
  return true;
}

function encryptOf(transport: RTCDtlsTransport): Stream['encrypt'] {
  return (payload, header) => transport.srtp.encrypt(payload, header);
}

async function addBare(port: number, srtpProfile: 1 | 7, master: Buffer): Promise<void> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  sockets.push(socket);
  const keys = { localMasterKey: master.subarray(0, 16), localMasterSalt: master.subarray(16), remoteMasterKey: master.subarray(0, 16), remoteMasterSalt: master.subarray(16) };
  const session = new SrtpSession({ keys, profile: srtpProfile });
  const encrypt: Stream['encrypt'] = (payload, header) => session.encrypt(payload, header);
  streams.push({ fd: fdOf(socket), to: socketAddress('127.0.0.1', port), encrypt, ssrc: streams.length + 1 });
}

/** Node keeps it behind a symbol. */
function fdOf(socket: Socket): number {
  const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  const handle = state && (socket as unknown as Record<symbol, { handle?: { fd?: number } }>)[state]?.handle;
  if (handle?.fd === undefined) throw new Error('This Node keeps the sockets of dgram elsewhere.');
  return handle.fd;
}

/** As `struct sockaddr_in`. */
function socketAddress(address: string, port: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(2, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

/** Sends that much of every stream, with a pause in between. */
async function play(sound: Sound, warmSeconds: number, seconds: number): Promise<void> {
  const opus = opusPackets(SOUND_PACKETS, sound);
  const [warm, measured] = [warmSeconds, seconds].map((each) => Math.round((each * 1000) / PACKET_MS)) as [number, number];
  const pausePackets = PAUSE_MS / PACKET_MS;
  const packets = streams.map((stream) => Array.from({ length: warm + measured }, (_, i) => packetOf(stream, opus[i % opus.length] ?? Buffer.alloc(0), i, i < warm ? i : i + pausePackets)));
  await send(packets.map((each) => each.slice(0, warm)));
  reply({ kind: 'warm' });
  await sleep(PAUSE_MS);
  reply({ kind: 'sent', ...(await send(packets.map((each) => each.slice(warm)))) });
}

/** As many packets of every stream, spread evenly over each 20 ms. */
async function send(packets: readonly (readonly Buffer[])[]): Promise<{ readonly packets: number; readonly late: number }> {
  const perStream = packets[0]?.length ?? 0;
  const total = perStream * streams.length;
  const stepMs = PACKET_MS / streams.length;
  const startMs = performance.now();
  const endMs = startMs + perStream * PACKET_MS * GIVES_UP_AFTER;
  let next = 0;
  let late = 0;
  while (next < total && performance.now() < endMs) {
    const nowMs = performance.now() - startMs;
    for (; next < total && next * stepMs <= nowMs; next += 1) {
      const stream = streams[next % streams.length];
      const packet = packets[next % streams.length]?.[Math.floor(next / streams.length)];
      if (stream && packet) sendTo(stream.fd, packet, BigInt(packet.length), 0, stream.to, 16);
      if (nowMs - next * stepMs > PACKET_MS) late += 1;
    }
    await sleep(1);
  }
  return { packets: next, late: late + total - next };
}

/** `place`: of its 20 ms in the stream's time. */
function packetOf({ encrypt, ssrc }: Stream, payload: Buffer, number: number, place: number): Buffer {
  const header = new RtpHeader({ payloadType: PAYLOAD_TYPE, sequenceNumber: number & 0xffff, timestamp: (place * TICKS_PER_PACKET) >>> 0, ssrc, marker: number === 0 });
  return encrypt(payload, header);
}
