/**
 * Forked by ingest.ts: the limit for one Node process. One UDP socket, SRTP by node:crypto with keys made once, libopus to 16 kHz
 * through koffi, and nothing else: no replay window, no order, no lanes.
 */
import { createDecipheriv, createHmac, createCipheriv, createSecretKey, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import koffi from 'koffi';
import type { ReceiverCommand, ReceiverReply } from './ingest-messages.ts';

const SAMPLE_RATE_HZ = 16_000;
const MAX_SAMPLES = (SAMPLE_RATE_HZ / 1000) * 120;
const GCM = 7;
const HEADER_BYTES = 12;

interface Stream {
  readonly encryption: KeyObject;
  readonly authentication: KeyObject;
  readonly salt: Buffer;
  readonly decoder: Uint8Array;
  rollOver: number;
  last: number;
}

type Decode = (state: Uint8Array, packet: Uint8Array, bytes: number, pcm: Int16Array, frame: number, fec: number) => number;

const opus = koffi.load('libopus.so.0');
const decode = opus.func('int opus_decode(void *state, const uint8_t *packet, int32_t length, int16_t *pcm, int frame, int fec)') as Decode;
const decoderBytes = opus.func('int opus_decoder_get_size(int channels)')(1) as number;
const initialize = opus.func('int opus_decoder_init(void *state, int32_t rate, int channels)');

const streams = new Map<number, Stream>();
let counts = { packets: 0, samples: 0 };
/** To look more often costs turns of the loop that a server does not have. */
const LOOP_LOOK_MS = 10;
const loop = monitorEventLoopDelay({ resolution: LOOP_LOOK_MS });
loop.enable();

function reply(message: ReceiverReply): void {
  process.send?.(message);
}

process.on('message', (command: ReceiverCommand) => {
  if (command.kind === 'bare') void open(command.srtpProfile, command.masters);
  if (command.kind === 'start') {
    if (streams.size === 0) globalThis.gc?.();
    counts = { packets: 0, samples: 0 };
    loop.reset();
    reply({ kind: 'started' });
  }
  if (command.kind === 'stop') {
    const loopP99Ms = loop.percentile(99) / 1e6 - LOOP_LOOK_MS;
    // Its memory is measured next: what is garbage does not count, as it did not at the start.
    globalThis.gc?.();
    reply({ kind: 'stopped', ...counts, loopP99Ms });
  }
});
process.on('disconnect', () => process.exit(0));
reply({ kind: 'ready' });

async function open(srtpProfile: number, masters: readonly string[]): Promise<void> {
  masters.forEach((master, i) => streams.set(i + 1, streamOf(Buffer.from(master, 'hex'))));
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 }).bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const openPacket = srtpProfile === GCM ? openGcm : openCounterMode;
  socket.on('message', (packet) => {
    const stream = streams.get(packet.readUInt32BE(8));
    const sequence = packet.readUInt16BE(2);
    if (!stream) return;
    if (stream.last - sequence > 0x8000) stream.rollOver += 1;
    stream.last = sequence;
    const payload = openPacket(stream, packet);
    if (!payload) return;
    const pcm = new Int16Array(MAX_SAMPLES / 6);
    counts.packets += 1;
    counts.samples += decode(stream.decoder, payload, payload.length, pcm, pcm.length, 0);
  });
  reply({ kind: 'port', port: socket.address().port });
}

function streamOf(master: Buffer): Stream {
  const decoder = Buffer.alloc(decoderBytes);
  initialize(decoder, SAMPLE_RATE_HZ, 1);
  const derived = (label: number, bytes: number): Buffer => {
    const counter = Buffer.alloc(16);
    counter.set(master.subarray(16));
    counter[7] = (counter[7] ?? 0) ^ label;
    return createCipheriv('aes-128-ctr', master.subarray(0, 16), counter).update(Buffer.alloc(bytes));
  };
  return {
    encryption: createSecretKey(derived(0, 16)),
    authentication: createSecretKey(derived(1, 20)),
    salt: derived(2, master.length - 16),
    decoder,
    rollOver: 0,
    last: 0,
  };
}

function vectorOf({ salt, rollOver }: Stream, packet: Buffer, bytes: number, at: number): Buffer {
  const vector = Buffer.alloc(bytes);
  packet.copy(vector, at, 8, 12);
  vector.writeUInt32BE(rollOver, at + 4);
  packet.copy(vector, at + 8, 2, 4);
  for (let i = 0; i < salt.length; i += 1) vector[i] = (vector[i] ?? 0) ^ (salt[i] ?? 0);
  return vector;
}

function openGcm(stream: Stream, packet: Buffer): Buffer | undefined {
  const tagAt = packet.length - 16;
  const cipher = createDecipheriv('aes-128-gcm', stream.encryption, vectorOf(stream, packet, 12, 2));
  cipher.setAAD(packet.subarray(0, HEADER_BYTES));
  cipher.setAuthTag(packet.subarray(tagAt));
  const payload = cipher.update(packet.subarray(HEADER_BYTES, tagAt));
  cipher.final();
  return payload;
}

function openCounterMode(stream: Stream, packet: Buffer): Buffer | undefined {
  const tagAt = packet.length - 10;
  const rollOver = Buffer.alloc(4);
  rollOver.writeUInt32BE(stream.rollOver);
  const tag = createHmac('sha1', stream.authentication).update(packet.subarray(0, tagAt)).update(rollOver).digest().subarray(0, 10);
  if (!timingSafeEqual(tag, packet.subarray(tagAt))) return undefined;
  return createDecipheriv('aes-128-ctr', stream.encryption, vectorOf(stream, packet, 16, 4)).update(packet.subarray(HEADER_BYTES, tagAt));
}
