import assert from 'node:assert/strict';
import test from 'node:test';
import type { MediaEngine, PeerHandlers, RemoteTrack, TrackStats } from '../core/media-engine.ts';
import { LaneStats } from './lane-stats.ts';

/** Makes peers that the test speaks for. */
function fakeEngine(): { readonly engine: MediaEngine; readonly peers: PeerHandlers[] } {
  const peers: PeerHandlers[] = [];
  const createPeer: MediaEngine['createPeer'] = (handlers) => {
    peers.push(handlers);
    const close = (): Promise<void> => {
      handlers.state('closed');
      return Promise.resolve();
    };
    return { answer: () => Promise.resolve(''), addCandidate: () => Promise.resolve(), close };
  };
  return { engine: { id: 'fake', iceServers: [], peerCount: 0, createPeer, close: () => Promise.resolve() }, peers };
}

const SILENT: RemoteTrack['source'] = { close: () => undefined, [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) };
const trackOf = (stats: Partial<TrackStats>): RemoteTrack => ({ label: '0', source: SILENT, stats: () => stats as TrackStats });

test('lanes are counted while they are there and after, and their times as quantiles of those that are there', async () => {
  const { engine, peers } = fakeEngine();
  const lanes = new LaneStats();
  const watched = lanes.watch(engine);
  const heard: string[] = [];
  const [first, second] = [1, 2].map(() => watched.createPeer({ track: ({ label }) => heard.push(label), state: (state) => heard.push(state) }));
  peers[0]?.track(trackOf({ packetsReceived: 100, recoveredByRed: 3, concealedSamples: 8000, jitterMs: 2, roundTripMs: 10 }));
  peers[1]?.track(trackOf({ packetsReceived: 50, recoveredByRed: 1, jitterMs: 8, driftPpm: -200 }));
  const has = (...expected: string[]): void => {
    const lines = lanes.lines();
    for (const line of expected) assert.ok(lines.includes(line), `${line} in ${lines.join('\n')}`);
  };
  const counted = ['earshot_media_packets_received_total 150', 'earshot_media_packets_recovered_total{by="red"} 4', 'earshot_media_concealed_seconds_total 0.5'];
  has('earshot_media_lanes 2', ...counted, 'earshot_media_jitter_seconds{quantile="0.5"} 0.002', 'earshot_media_jitter_seconds{quantile="1"} 0.008');
  has('earshot_media_round_trip_seconds{quantile="0.5"} 0.01', 'earshot_media_drift_ratio{quantile="0.95"} 0.0002');
  await first?.close();
  has('earshot_media_lanes 1', ...counted, 'earshot_media_jitter_seconds{quantile="0.5"} 0.008');
  assert.ok(!lanes.lines().some((line) => line.startsWith('earshot_media_round_trip_seconds{')), 'nothing is told of what nobody knows');
  await second?.close();
  has('earshot_media_lanes 0', ...counted);
  assert.deepEqual(heard, ['0', '0', 'closed', 'closed']);
});
