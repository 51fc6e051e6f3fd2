/**
 * Fuzzes whole engines over the loopback: npm run fuzz:engines -- [--engines werift,mediasoup] [--inputs N] [--seed N]
 * A client connects; then mutations of what a Chromium sent come from a stranger, from the client's own address, and as genuine SRTP, SRTCP and ICE of the client's, whose insides
 * are mutated. After each round a new client must be heard. Ends with 1 at a fault, or when memory is not what it was.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { getHeapCodeStatistics } from 'node:v8';
import { EarshotError } from '../../../src/core/errors.ts';
import type { MediaEngine } from '../../../src/core/media-engine.ts';
import { MASTER_KEY_BYTES, masterSaltBytes, type MasterKey, type SrtpProfile } from '../../srtp/keys.ts';
import { SrtcpSender } from '../../srtp/srtcp.ts';
import { protectRtp } from '../../srtp/testing/srtp-sender.ts';
import { startMediasoupEngine } from '../mediasoup.ts';
import { createWeriftEngine } from '../werift.ts';
import { Scene, Stranger } from './attack-scene.ts';
import { captured, generator, mutate } from './media-fuzz.ts';
import { Observed } from './observed.ts';

const ROUND_INPUTS = 10_000;
/** Datagrams before the engine is let to take them: more would be lost in the kernel. */
const BURST = 32;
/** One input in so many is an offer, which costs a peer. */
const OFFER_EVERY = 200;
/** Rounds until everything that is kept by design is there. */
const WARM_ROUNDS = 3;
/** What memory may differ by between two looks at it: objects of this process, and pages of its workers. */
const MAX_GROWTH: Held = { objectBytes: 4 * 1024 * 1024, workerBytes: 4 * 1024 * 1024 };
const MAX_STUN_BYTES = 512;
const PROFILES: Readonly<Record<number, SrtpProfile>> = { 7: 'AEAD_AES_128_GCM', 1: 'AES_CM_128_HMAC_SHA1_80' };

const ENGINES: Readonly<Record<string, () => MediaEngine | Promise<MediaEngine>>> = {
  werift: () => createWeriftEngine({ maxPacketsPerSecond: Infinity }),
  mediasoup: () => startMediasoupEngine({ workers: 1 }),
};

const OPUS = 111;
const RED = 63;
/** As Chromium offers it; the client itself does not know of it. */
const withRed = (offer: string): string => offer.replace(/^(m=audio .*) 111\r\n([^]*?)(?=^a=rtpmap:111)/m, '$1 63 111\r\n$2a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n');

type Random = (below: number) => number;
type Mutant = (kind: string) => Buffer;

/** What a connected client can send that an engine takes for genuine. */
class Insider {
  readonly #profile: SrtpProfile;
  readonly #master: MasterKey;
  readonly #rtcp: SrtcpSender;
  readonly #ssrc: number;
  readonly #username: string;
  readonly #password: string;
  #sequenceNumber = 0;

  constructor({ client, answer }: Scene) {
    const dtls = client.connection.dtlsTransports[0]?.dtls;
    const profile = PROFILES[dtls?.srtp.srtpProfile ?? 0];
    if (!dtls || !profile) throw new Error('The client is not connected.');
    const { localKey, localSalt } = dtls.extractSessionKeys(MASTER_KEY_BYTES, masterSaltBytes(profile));
    this.#profile = profile;
    this.#master = { key: localKey, salt: localSalt };
    this.#rtcp = new SrtcpSender(profile, this.#master);
    this.#ssrc = client.connection.getSenders()[0]?.ssrc ?? 0;
    this.#username = `${attribute(answer, 'ice-ufrag')}:${attribute(client.connection.localDescription?.sdp ?? '', 'ice-ufrag')}`;
    this.#password = attribute(answer, 'ice-pwd');
  }

  /** Its header stays long enough to be one, of this stream and in order: the rest is as it comes. */
  rtp(packet: Buffer): Buffer {
    const bytes = packet.length < 12 ? Buffer.concat([packet, Buffer.alloc(12 - packet.length)]) : packet;
    bytes[0] = 0x80 | ((bytes[0] ?? 0) & 0x3f);
    bytes[1] = ((bytes[1] ?? 0) & 0x80) | ((bytes[1] ?? 0) % 2 === 0 ? OPUS : RED);
    bytes.writeUInt16BE((this.#sequenceNumber = (this.#sequenceNumber + 1) % 0x1_0000), 2);
    bytes.writeUInt32BE(this.#ssrc, 8);
    return protectRtp(this.#profile, this.#master, bytes);
  }

  rtcp(compound: Buffer): Buffer {
    return this.#rtcp.seal(compound.length < 8 ? Buffer.concat([compound, Buffer.alloc(8 - compound.length)]) : compound);
  }

  /** A binding request with any attributes, and the right digest. */
  stun(attributes: Buffer): Buffer {
    const body = Buffer.concat([attributeOf(0x0006, Buffer.from(this.#username)), attributes.subarray(0, MAX_STUN_BYTES & ~3)]);
    const message = Buffer.alloc(20);
    message.writeUInt16BE(1, 0);
    message.writeUInt16BE(body.length + 24, 2);
    message.writeUInt32BE(0x2112_a442, 4);
    randomBytes(12).copy(message, 8);
    const signed = Buffer.concat([message, body]);
    return Buffer.concat([signed, attributeOf(0x0008, createHmac('sha1', this.#password).update(signed).digest())]);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { engines: { type: 'string', default: 'werift,mediasoup' }, inputs: { type: 'string', default: '1000000' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } },
  });
  for (const name of values.engines.split(',')) {
    const start = ENGINES[name];
    if (!start) throw new Error(`There is no engine ${name}.`);
    const engine = await start();
    await fuzzEngine(name, engine, Number(values.inputs), Number(values.seed)).finally(() => engine.close());
  }
}

async function fuzzEngine(name: string, engine: MediaEngine, inputs: number, firstSeed: number): Promise<void> {
  let warm: Held | undefined;
  for (let round = 0; round * ROUND_INPUTS < inputs; round += 1) {
    const seed = firstSeed + round;
    const before = `${name}, seed ${String(seed)}`;
    let heard = 0;
    await Scene.with(engine, async (scene) => {
      await scene.connect();
      await attack(engine, scene, generator(seed));
      heard = scene.observed.tracks.reduce((sum, track) => sum + track.stats().packetsReceived, 0);
    }, { offer: withRed }).catch((error: unknown) => fail(`${before}: ${String(error)}`));
    await Scene.with(engine, async (scene) => {
      await scene.connect();
      await scene.isAlive();
    }).catch((error: unknown) => fail(`${before}: afterwards ${String(error)}`));
    const held = heldNow();
    process.stdout.write(`${name}: ${String((round + 1) * ROUND_INPUTS)} inputs, seed ${String(seed)}, ${String(heard)} packets taken in the last round, ${mebibytes(held.objectBytes)} MiB held, ${mebibytes(held.workerBytes)} by workers\n`);
    if (round === WARM_ROUNDS) warm = held;
    for (const what of ['objectBytes', 'workerBytes'] as const) {
      if (warm !== undefined && held[what] > warm[what] + MAX_GROWTH[what]) fail(`${before}: ${what} grew from ${String(warm[what])} to ${String(held[what])}`);
    }
  }
}

async function attack(engine: MediaEngine, scene: Scene, random: Random): Promise<void> {
  await using stranger = await Stranger.at(scene.port);
  const insider = new Insider(scene);
  const seeds = new Map(['STUN', 'DTLS', 'RTP', 'RTCP', 'SDP'].map((kind) => [kind, captured(kind)]));
  const mutant: Mutant = (kind) => {
    const known = seeds.get(kind) ?? [];
    return mutate(known[random(known.length)] ?? Buffer.alloc(0), random).subarray(0, 1400);
  };
  for (let sent = 0; sent < ROUND_INPUTS; sent += BURST) {
    for (let i = 0; i < BURST; i += 1) await sendOne(scene, stranger, insider, mutant, random);
    if (sent % OFFER_EVERY < BURST) await offer(engine, mutant('SDP').toString('latin1'));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function sendOne(scene: Scene, stranger: Stranger, insider: Insider, mutant: Mutant, random: Random): Promise<void> {
  const kind = ['STUN', 'DTLS', 'RTP', 'RTCP'][random(4)] ?? '';
  switch (random(6)) {
    case 0:
      await stranger.send(mutant(kind));
      break;
    case 1:
      await scene.sendAsClient(mutant(kind));
      break;
    case 2:
      await scene.sendAsClient(insider.rtcp(mutant('RTCP')));
      break;
    case 3:
      await scene.sendAsClient(insider.stun(mutant('STUN').subarray(20)));
      break;
    default:
      await scene.sendAsClient(insider.rtp(mutant('RTP')));
  }
}

/** It may be answered or refused, with an error of ours. */
async function offer(engine: MediaEngine, sdp: string): Promise<void> {
  const { peer } = new Observed(engine);
  try {
    await peer.answer(sdp);
  } catch (error) {
    if (!(error instanceof EarshotError) || error.code === 'INTERNAL') throw error;
  } finally {
    await peer.close();
  }
}

interface Held {
  readonly objectBytes: number;
  readonly workerBytes: number;
}

/** What this process holds after a collection, and the workers that it has. Compiled code is not counted: there is more of it for hours. */
function heldNow(): Held {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics();
  const children = readdirSync('/proc/self/task').flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'latin1').split(' ').filter(Boolean));
  const pages = children.map((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]));
  return { objectBytes: heapUsed + external - code - bytecode, workerBytes: pages.reduce((sum, each) => sum + each * 4096, 0) };
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(2);

const attribute = (sdp: string, name: string): string => new RegExp(`^a=${name}:(\\S+)`, 'm').exec(sdp)?.[1] ?? '';

function attributeOf(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

await main();
process.exit(0);
