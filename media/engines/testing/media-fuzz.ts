/**
 * Millions of inputs against the parts of the engine that strangers can reach: mutations of genuine STUN, DTLS, RTP, RTCP, SDP, RED and Opus, as made here and as a
 * Chromium sent them (capture-seeds.ts), and noise. With a guide, what led to a branch of the code for the first time is mutated further. A fault is an error that is not of ours, an
 * input that takes too long, or memory that grows.
 */
import { readFileSync } from 'node:fs';
import { EarshotError } from '../../../src/core/errors.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { Demultiplexer } from '../../rtp/demultiplexer.ts';
import { OpusDecoder } from '../../rtp/opus.ts';
import { parseRtpPacket } from '../../rtp/packet.ts';
import { readRed } from '../../rtp/red.ts';
import { readRtcp } from '../../rtp/rtcp-reader.ts';
import { RtpSource } from '../../rtp/rtp-source.ts';
import { rtpExtension, rtpHeaderBytes } from '../../srtp/rtp-layout.ts';
import { SrtcpReceiver, SrtcpSender } from '../../srtp/srtcp.ts';
import { SrtpReceiver } from '../../srtp/srtp.ts';
import { protectRtp, rtpPacket } from '../../srtp/testing/srtp-sender.ts';
import { DtlsGuard } from '../dtls-guard.ts';
import { readClientHello, readHandshakes } from '../dtls-records.ts';
import { readOffer } from '../offer.ts';
import { readStunEnvelope } from '../stun.ts';
import { clientHelloRecord, dtlsRecord } from './dtls-bytes.ts';
import type { Guide } from './edge-coverage.ts';

/** No input is worth a tenth of a second; a machine that sleeps in between makes it more. */
const MAX_INPUT_MS = 1000;
const MASTER = { key: Buffer.alloc(16, 1), salt: Buffer.alloc(12, 2) };
const LIMITS = { maxSdpBytes: 65_536, maxTracks: 8, maxCandidates: 64 };

/** What one input is given to. It may throw errors of ours only. */
export interface FuzzTarget {
  readonly name: string;
  /** Inputs of which mutations are made: genuine ones, and what a guide finds worth it. */
  readonly seeds: Buffer[];
  readonly feed: (input: Buffer) => void;
}

const OFFER = [
  'v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0', 'a=ice-ufrag:abcd', 'a=ice-pwd:0123456789012345678901', `a=fingerprint:sha-256 ${'AB:'.repeat(31)}AB`, 'a=setup:actpass',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 63 0', 'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=sendonly', 'a=rtcp-mux', 'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid', 'a=rtpmap:111 opus/48000/2', 'a=rtpmap:63 red/48000/2',
  'a=fmtp:63 111/111', 'a=fmtp:111 minptime=10;useinbandfec=1', 'a=ssrc:1 cname:x', 'a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host', '',
].join('\r\n'); // prettier-ignore

const OPUS = Buffer.from('f8fffe58c5a1c0d4', 'hex');
const STUN = Buffer.from('000100342112a442fe9ba7422e3440c103e3f60a000600056162633a78000000002400040000000100080014bfc6b05e01d042f15c707179a9bf2167e95c87a08028000449bdabf5', 'hex');
const RTCP = Buffer.concat([Buffer.from('80c8000600000001e0000000000000000000000000000000', 'hex'), Buffer.alloc(4), Buffer.from('81cb000100000001', 'hex')]);

const offerTarget = (input: Buffer): void => {
  readOffer(input.toString('latin1'), LIMITS, true);
};

const CAPTURED = readFileSync(new URL('chromium-seeds.txt', import.meta.url), 'latin1').split('\n').map((line) => line.split(' '));

/** What a Chromium sent of a kind. */
export const captured = (kind: string): Buffer[] => CAPTURED.flatMap(([name, hex = '']) => (name === kind ? [Buffer.from(hex, 'hex')] : []));

/** Fresh targets, each with state of its own as one peer has it. */
export function fuzzTargets(): FuzzTarget[] {
  const receiver = new SrtpReceiver('AEAD_AES_128_GCM', MASTER);
  const control = new SrtcpReceiver('AEAD_AES_128_GCM', MASTER);
  const decoder = new OpusDecoder();
  const routes = new Demultiplexer();
  routes.setSections([{ mid: '0', payloadTypes: [111, 63], ssrcs: [] }]);
  return [
    { name: 'STUN', seeds: [STUN, ...captured('STUN')], feed: (input) => void readStunEnvelope(input) },
    { name: 'DTLS', seeds: [clientHelloRecord(), dtlsRecord(23, 1, 5, Buffer.alloc(40)), dtlsRecord(21, 1, 6, Buffer.alloc(26)), ...captured('DTLS')], feed: dtlsTarget },
    { name: 'SRTP', seeds: [protectRtp('AEAD_AES_128_GCM', MASTER, rtpPacket(OPUS, { extensions: [{ id: 4, data: Buffer.of(48) }] }))], feed: (input) => void receiver.open(input) },
    { name: 'SRTCP', seeds: [new SrtcpSender('AEAD_AES_128_GCM', MASTER).seal(RTCP)], feed: (input) => void control.open(input) },
    { name: 'RTP', seeds: [rtpPacket(OPUS, { extensions: [{ id: 4, data: Buffer.of(48) }] }), ...captured('RTP')], feed: (input) => routeTarget(routes, input) },
    { name: 'RTCP', seeds: [RTCP, ...captured('RTCP')], feed: (input) => void readRtcp(input) },
    { name: 'SDP', seeds: [Buffer.from(OFFER), ...captured('SDP')], feed: offerTarget },
    { name: 'RED', seeds: [Buffer.concat([Buffer.of(0x80 | 111, 0x0f, 0x00, OPUS.length, 111), OPUS, OPUS]), ...captured('RED')], feed: redTarget },
    { name: 'Opus', seeds: [OPUS, Buffer.of(0xf8), Buffer.of(0x0b, 0x02, 1, 2, 3), ...captured('Opus')], feed: (input) => opusTarget(decoder, input) },
    { name: 'track', seeds: [rtpPacket(OPUS, { sequenceNumber: 7, timestamp: 6720 }), ...captured('RTP'), ...captured('RTCP')], feed: trackTarget() },
  ];
}

function dtlsTarget(input: Buffer): void {
  for (const isConnected of [false, true]) {
    let nowMs = 0;
    const guard = new DtlsGuard({ nowMs: () => (nowMs += 60), isConnected: () => isConnected, handshake: () => undefined, decrypt: ({ fragment }) => fragment.subarray(8), data: () => undefined, closed: () => undefined });
    guard.receive(input);
  }
  readHandshakes(input);
  readClientHello(input);
}

function routeTarget(routes: Demultiplexer, input: Buffer): void {
  const packet = parseRtpPacket(input);
  if (packet) routes.route(packet.ssrc, packet.payloadType, rtpExtension(input, rtpHeaderBytes(input), 4)?.toString());
}

function redTarget(input: Buffer): void {
  readRed({ ssrc: 1, payloadType: 63, sequenceNumber: 1, timestamp: 960, marker: false, payload: input });
}

function opusTarget(decoder: OpusDecoder, input: Buffer): void {
  decoder.decode(input);
  decoder.recover(input, 320);
}

/** One track that hears all of it, with nobody reading: its queues are bounded. */
function trackTarget(): (input: Buffer) => void {
  const formats = { opus: [111], red: [63], rtx: [], nack: true };
  const clock = new ManualClock();
  let source = new RtpSource({ clock, formats, sendRtcp: () => undefined });
  let fed = 0;
  return (input) => {
    clock.advance(5);
    const packet = parseRtpPacket(input);
    if (packet) source.push(packet, clock.nowMs());
    source.receiveRtcp(input, clock.nowMs());
    fed += 1;
    if (fed % 10_000 !== 0) return;
    source.close();
    source = new RtpSource({ clock, formats, sendRtcp: () => undefined });
  };
}

export interface FuzzFault {
  readonly target: string;
  readonly input: string;
  readonly fault: string;
}

/** Inputs that one target keeps, and their length. */
const MAX_SEEDS = 1000;
const MAX_SEED_BYTES = 4096;

/** Gives `count` inputs to the targets in turn. Stops at the first fault. */
export function fuzz(targets: readonly FuzzTarget[], count: number, seed: number, guide?: Guide): FuzzFault | undefined {
  const random = generator(seed);
  for (let i = 0; i < count; i += 1) {
    const target = targets[i % targets.length];
    if (!target) return undefined;
    const input = mutate(target.seeds[random(target.seeds.length)] ?? Buffer.alloc(0), random, guide?.words);
    const text = input.toString('hex');
    const startMs = performance.now();
    guide?.reset();
    try {
      target.feed(input);
    } catch (error) {
      if (!(error instanceof EarshotError) || error.code === 'INTERNAL') return { target: target.name, input: text, fault: String(error) };
    }
    const tookMs = performance.now() - startMs;
    if (tookMs > MAX_INPUT_MS) return { target: target.name, input: text, fault: `took ${tookMs.toFixed(0)} ms` };
    if (guide?.sawNew() && target.seeds.length < MAX_SEEDS && input.length <= MAX_SEED_BYTES) target.seeds.push(Buffer.from(input));
  }
  return undefined;
}

/** xorshift32: the same inputs for the same seed. */
export function generator(seed: number): (below: number) => number {
  // Odd, because it must never be 0, and another for each seed.
  let state = (seed << 1) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One to eight changes: a bit, a byte, an edge of a length, a cut, a piece doubled, taken out or put elsewhere, noise behind, a word that the code knows; sometimes only noise. */
export function mutate(seed: Buffer, random: (below: number) => number, words: readonly Buffer[] = []): Buffer {
  let bytes = random(16) === 0 ? noise(random(200), random) : Buffer.from(seed);
  for (let changes = 1 + random(8); changes > 0 && bytes.length > 0; changes -= 1) {
    const at = random(bytes.length);
    const end = at + random(bytes.length - at + 1);
    switch (random(words.length > 0 ? 9 : 8)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)] ?? 0;
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]).subarray(0, 4096);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 6:
        bytes = Buffer.concat([bytes, noise(random(64), random)]).subarray(0, 4096);
        break;
      case 7:
        bytes.copy(bytes, random(bytes.length), at, end);
        break;
      default:
        words[random(words.length)]?.copy(bytes, at);
    }
  }
  return bytes;
}

const noise = (length: number, random: (below: number) => number): Buffer => Buffer.from(Array.from({ length }, () => random(256)));
