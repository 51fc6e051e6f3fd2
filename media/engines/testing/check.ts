import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { LaneAudio } from '../../../src/core/audio.ts';
import type { Clock } from '../../../src/core/clock.ts';
import type { MediaEngine, RemoteTrack } from '../../../src/core/media-engine.ts';
import type { RecoveryMeans } from '../answer.ts';
import { activeResources, Observed, resourcesBackTo, within } from './observed.ts';
import { RtcClient } from './rtc-client.ts';
import type { RtcClientOptions } from './rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from './tones.ts';

/** What a check asks of the engine that it is given. */
export interface EngineSettings {
  readonly clock?: Clock;
  readonly maxPeers?: number;
  readonly maxTracksPerPeer?: number;
  readonly idlePeerTimeoutMs?: number;
  readonly maxPacketsPerSecond?: number;
  readonly recovery?: RecoveryMeans;
}

/** For an engine that lives in another thread, which no clock can be given to. */
export function withoutClock(settings: EngineSettings): Omit<EngineSettings, 'clock'> {
  const rest = { ...settings };
  delete (rest as { clock?: unknown }).clock;
  return rest;
}

export type MakeEngine = (settings: EngineSettings) => MediaEngine | Promise<MediaEngine>;

export interface ConformanceCheck {
  readonly name: string;
  readonly run: (makeEngine: MakeEngine) => Promise<void>;
}

/** Runs `body` with an engine, closes everything, and holds the engine to having freed all it took. */
export async function using(
  makeEngine: MakeEngine,
  settings: EngineSettings,
  body: (engine: MediaEngine, client: (options?: RtcClientOptions) => RtcClient) => Promise<void>,
): Promise<void> {
  const before = activeResources();
  const engine = await makeEngine(settings);
  const clients: RtcClient[] = [];
  try {
    await body(engine, (options) => {
      const client = new RtcClient(options);
      clients.push(client);
      return client;
    });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await within('the engine closes', engine.close());
  }
  assert.equal(engine.peerCount, 0);
  await within('sockets and timers are freed', resourcesBackTo(before));
}

/** Offer, answer, connection. */
export async function connect(observed: Observed, client: RtcClient): Promise<string> {
  const answer = await within('an answer', observed.peer.answer(await client.offer()));
  await client.accept(answer);
  await within('the client connects', client.connected());
  await observed.reached('connected');
  return answer;
}

export async function publishesTones(engine: MediaEngine, client: RtcClient, frequenciesHz: readonly number[]): Promise<Observed> {
  const observed = new Observed(engine);
  client.addTrack();
  await connect(observed, client);
  client.send(0, tones(frequenciesHz));
  const items = await hear(await observed.track(0), tonesSamples(frequenciesHz.length));
  assertTones(render(items), frequenciesHz);
  return observed;
}

/** Of one tone with its pause. */
export const PACKETS = tones([440]).length / 960;

/** Sends a tone again and again until the track has sound of it: where a way is being changed, packets may be lost. */
export async function sendUntilHeard(client: RtcClient, track: RemoteTrack, firstPacket = 0): Promise<void> {
  const iterator = track.source[Symbol.asyncIterator]();
  let next = firstPacket;
  const timer = setInterval(() => {
    client.send(0, tones([660]), next);
    next += PACKETS;
  }, 400);
  const listen = async (): Promise<void> => {
    for (;;) {
      const result = await iterator.next();
      if (result.done === true) assert.fail('the track ended');
      const item: LaneAudio = result.value;
      if (item.kind === 'pcm' && item.samples.some((sample) => sample > 6000)) return;
    }
  };
  await within('sound', listen()).finally(() => {
    clearInterval(timer);
  });
}

/** Datagrams of every first byte, as STUN, DTLS, RTP and nothing at all begin. */
export async function sendGarbage(port: number): Promise<void> {
  const socket = createSocket('udp4');
  for (let first = 0; first < 256; first += 1) {
    for (const length of [1, 13, 100]) {
      await new Promise((resolve) => socket.send(Uint8Array.from({ length }, (_, i) => (i === 0 ? first : (i * 37) % 256)), port, '127.0.0.1', resolve));
    }
  }
  socket.close();
  await once(socket, 'close');
}

export const mids = (sdp: string): string[] => [...sdp.matchAll(/^a=mid:(\S+)/gm)].map(([, mid]) => mid ?? '');
export const sections = (sdp: string): string[] => sdp.split(/(?=^m=)/m).slice(1);
