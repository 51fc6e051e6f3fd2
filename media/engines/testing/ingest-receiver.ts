/**
 * Forked by e2e/bench/ingest.ts, which it has its messages from: an engine whose tracks are read and counted.
 *   node ingest-receiver.ts ENGINE
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MediaEngine, RemoteTrack } from '../../../src/core/media-engine.ts';
import { startMediasoupEngine } from '../mediasoup.ts';
import { createThreadedEngine } from '../threads/threaded-engine.ts';
import { createWeriftEngine } from '../werift.ts';

interface Command {
  readonly kind: 'offer' | 'start' | 'stop';
  readonly id: number;
  readonly sdp: string;
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
let samples = 0;
let packetsBefore = 0;
const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();

function reply(message: object): void {
  process.send?.(message);
}
const packets = (): number => [...tracks].reduce((sum, track) => sum + track.stats().packetsReceived, 0);

async function listen(track: RemoteTrack): Promise<void> {
  tracks.add(track);
  for await (const item of track.source) if (item.kind === 'pcm') samples += item.samples.length;
}

process.on('message', ({ kind, id, sdp }: Command) => {
  if (kind === 'offer') {
    const peer = engine.createPeer({ track: (track) => void listen(track), state: () => undefined });
    peer.answer(sdp).then(
      (answer) => reply({ kind: 'answer', id, sdp: answer }),
      (error: unknown) => reply({ kind: 'failed', reason: String(error) }),
    );
  } else if (kind === 'start') {
    globalThis.gc?.();
    packetsBefore = packets();
    samples = 0;
    loop.reset();
    reply({ kind: 'started' });
  } else {
    reply({ kind: 'stopped', packets: packets() - packetsBefore, samples, loopP99Ms: loop.percentile(99) / 1e6 - 1 });
  }
});
process.on('disconnect', () => process.exit(0));
reply({ kind: 'ready' });
