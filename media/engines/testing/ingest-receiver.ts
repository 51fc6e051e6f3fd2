/**
 * Forked by e2e/bench/ingest.ts, latency.ts and loss.ts, which it has its messages from: an engine whose tracks are read and counted.
 *   node ingest-receiver.ts ENGINE
 */
import { writeFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LaneAudio } from '../../../src/core/audio.ts';
import type { MediaEngine, Peer, RemoteTrack } from '../../../src/core/media-engine.ts';
import { startMediasoupEngine } from '../mediasoup.ts';
import { createThreadedEngine } from '../threads/threaded-engine.ts';
import { createWeriftEngine } from '../werift.ts';
import { LaneRecorder } from './lane-recorder.ts';

interface Command {
  readonly kind: 'offer' | 'start' | 'stop' | 'record' | 'take' | 'hang-up';
  readonly id: number;
  readonly sdp: string;
  readonly keep?: boolean;
  readonly file: string;
}

/** A peer whose one track is kept. */
interface Kept {
  readonly peer: Peer;
  readonly pcm: Int16Array[];
  track: RemoteTrack | undefined;
}

const engines: Readonly<Record<string, () => MediaEngine | Promise<MediaEngine>>> = {
  mediasoup: () => startMediasoupEngine({ maxPeers: 10_000, workers: 1 }),
  werift: () => createWeriftEngine({ maxPeers: 10_000 }),
  threads: () => createThreadedEngine({ maxPeers: 10_000, threads: 2 }),
};

const [name = ''] = process.argv.slice(2);
const engine = await engines[name]?.();
if (!engine) throw new Error(`There is no engine ${name}.`);
const tracks = new Set<RemoteTrack>();
const kept = new Map<number, Kept>();
let samples = 0;
let packetsBefore = 0;
let recorder: LaneRecorder | undefined;
/** To look more often costs turns of the loop that a server does not have. */
const LOOP_LOOK_MS = 10;
const loop = monitorEventLoopDelay({ resolution: LOOP_LOOK_MS });
loop.enable();

function reply(message: object): void {
  process.send?.(message);
}
const packets = (): number => [...tracks].reduce((sum, track) => sum + track.stats().packetsReceived, 0);

async function listen(track: RemoteTrack, hear?: (item: LaneAudio) => void): Promise<void> {
  tracks.add(track);
  for await (const item of track.source) {
    if (item.kind === 'pcm') samples += item.samples.length;
    recorder?.add(item);
    hear?.(item);
  }
}

async function answer(id: number, sdp: string, keep: boolean): Promise<void> {
  const pcm: Int16Array[] = [];
  const hear = keep ? (item: LaneAudio): unknown => pcm.push(item.kind === 'pcm' ? item.samples : new Int16Array(item.lengthSamples)) : undefined;
  const peer = engine!.createPeer({
    track: (track) => {
      const call = kept.get(id);
      if (call) call.track = track;
      void listen(track, hear);
    },
    state: () => undefined,
  });
  if (keep) kept.set(id, { peer, pcm, track: undefined });
  reply({ kind: 'answer', id, sdp: await peer.answer(sdp) });
}

async function hangUp(id: number, file: string): Promise<void> {
  const call = kept.get(id);
  kept.delete(id);
  await call?.peer.close();
  await writeFile(file, Buffer.concat((call?.pcm ?? []).map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))));
  reply({ kind: 'hung-up', id, stats: call?.track?.stats() });
}

const failed = (error: unknown): void => reply({ kind: 'failed', reason: String(error) });

process.on('message', ({ kind, id, sdp, keep, file }: Command) => {
  if (kind === 'offer') {
    answer(id, sdp, keep === true).catch(failed);
  } else if (kind === 'hang-up') {
    hangUp(id, file).catch(failed);
  } else if (kind === 'start') {
    // Memory is measured before the first stream. Later it would cost packets.
    if (tracks.size === 0) globalThis.gc?.();
    packetsBefore = packets();
    samples = 0;
    loop.reset();
    reply({ kind: 'started' });
  } else if (kind === 'record') {
    recorder = new LaneRecorder();
  } else if (kind === 'take') {
    reply({ kind: 'record', ...recorder?.take() });
  } else {
    const loopP99Ms = loop.percentile(99) / 1e6 - LOOP_LOOK_MS;
    // Its memory is measured next: what is garbage does not count, as it did not at the start.
    globalThis.gc?.();
    reply({ kind: 'stopped', packets: packets() - packetsBefore, samples, loopP99Ms });
  }
});
process.on('disconnect', () => process.exit(0));
reply({ kind: 'ready' });
