/**
 * The entry of a media thread: an engine whose peers are told about to the main thread, see `threaded-engine.ts`. Sockets, DTLS, SRTP,
 * jitter buffers and Opus are all here; what crosses is PCM, every {@link FLUSH_MS}.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { EarshotError } from '../../../src/core/errors.ts';
import type { MediaEngine, Peer, RemoteChannel, RemoteTrack } from '../../../src/core/media-engine.ts';
import type { Stage } from '../../../src/core/stages.ts';
import type { EngineOptions } from '../engine-options.ts';
import { startMediasoupEngine } from '../mediasoup.ts';
import { createWeriftEngine } from '../werift.ts';
import { AudioBatchWriter } from './audio-batch.ts';
import { createSharedStats, writeStats } from './shared-stats.ts';
import type { SharedStats } from './shared-stats.ts';
import type { ThreadCommand, ThreadData, ThreadEvent } from './messages.ts';

/** Audio waits at most this long for more to go with it: a message per frame would cost more than the frame. */
const FLUSH_MS = 5;
/** Statistics of tracks that were heard are told so often, of all others a few times less. */
const STATS_MS = 100;
const ALL_STATS_EVERY = 5;
/** Batches that the main thread may be behind. Then nothing is read: each track's own queue holds what comes, and drops its oldest. */
const MAX_BATCHES_BEHIND = 400;
/** Of every so many packets one is told of, for the histograms. */
const OBSERVE_EVERY = 16;

interface SharedTrack {
  readonly track: RemoteTrack;
  readonly stats: SharedStats;
}

if (!parentPort) throw new Error('This is the entry of a worker thread.');
const port = parentPort;
const { options, taken } = workerData as ThreadData;
const peers = new Map<number, Peer>();
const tracks = new Map<number, SharedTrack>();
const heard = new Set<SharedTrack>();
const channels = new Map<number, RemoteChannel>();
const batch = new AudioBatchWriter();
const observed: (readonly [Stage, number])[] = [];
let observations = 0;
let lastId = 0;
let batchesSent = 0;
let flushTimer: NodeJS.Timeout | undefined;
let statsTold = 0;

const starting = startEngine();
starting.catch(() => undefined);

port.on('message', (command: ThreadCommand) => {
  if (command.kind === 'start') answer(command.question, starting.then(() => undefined));
  else {
    starting.then(
      (engine) => obey(engine, command),
      (error: unknown) => {
        if ('question' in command) answer(command.question, Promise.reject(error));
      },
    );
  }
});
setInterval(tellStats, STATS_MS);

async function startEngine(): Promise<MediaEngine> {
  const here: Pick<EngineOptions, 'track' | 'onWarning'> = {
    track: {
      ...options.settings.track,
      observe: (stage, durationMs) => {
        observations += 1;
        if (observations % OBSERVE_EVERY === 0) observed.push([stage, durationMs]);
      },
    },
    onWarning: (message, cause) => tell({ kind: 'warning', message, reason: cause instanceof Error ? cause.message : '' }),
  };
  return options.kind === 'werift' ? createWeriftEngine({ ...options.settings, ...here }) : startMediasoupEngine({ ...options.settings, ...here });
}

/** Everything in order: audio that came before an event is told before it. */
function tell(event: ThreadEvent): void {
  flush();
  port.postMessage(event);
}

function flush(): void {
  clearTimeout(flushTimer);
  flushTimer = undefined;
  if (batch.isEmpty) return;
  const audio = batch.take();
  batchesSent += 1;
  port.postMessage({ kind: 'audio', batch: audio } satisfies ThreadEvent, [audio.items.buffer, audio.samples.buffer]);
}

function tellStats(): void {
  statsTold += 1;
  for (const { track, stats } of statsTold % ALL_STATS_EVERY === 0 ? tracks.values() : heard) writeStats(stats, track.stats(), track.source.originMs);
  heard.clear();
  if (observed.length > 0) tell({ kind: 'stages', observed: observed.splice(0) });
}

function obey(engine: MediaEngine, command: Exclude<ThreadCommand, { readonly kind: 'start' }>): void {
  switch (command.kind) {
    case 'create':
      createPeer(engine, command.peer);
      break;
    case 'answer':
      answer(command.question, peerOf(command.peer).answer(command.sdp));
      break;
    case 'candidate':
      answer(command.question, peerOf(command.peer).addCandidate(command.candidate));
      break;
    case 'close':
      answer(command.question, peers.get(command.peer)?.close() ?? Promise.resolve());
      break;
    case 'stop':
      answer(command.question, engine.close());
      break;
    case 'close-track':
      tracks.get(command.track)?.track.source.close();
      break;
    case 'retract':
      tracks.get(command.track)?.track.source.retract?.();
      break;
    case 'listen':
      listen(command.channel);
      break;
    case 'send':
      answer(command.question, channels.get(command.channel)?.send(command.text) ?? Promise.resolve());
      break;
    case 'close-channel':
      channels.get(command.channel)?.close();
      break;
  }
}

/** A peer that closed by itself is still asked things by who does not know yet. */
const GONE: Peer = {
  answer: () => Promise.reject(new EarshotError('SESSION_CONFLICT', 'The connection is closed.')),
  addCandidate: () => Promise.reject(new EarshotError('SESSION_CONFLICT', 'The connection is closed.')),
  close: () => Promise.resolve(),
};

const peerOf = (id: number): Peer => peers.get(id) ?? GONE;

function answer(question: number, asked: Promise<string | void>): void {
  asked.then(
    (text) => tell({ kind: 'done', question, text: text ?? '' }),
    (error: unknown) => {
      const { code, message, retryAfterSeconds } = error instanceof EarshotError ? error : new EarshotError('INTERNAL', error instanceof Error ? error.message : 'The media thread failed.');
      tell({ kind: 'failed', question, code, message, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) });
    },
  );
}

function createPeer(engine: MediaEngine, id: number): void {
  const peer = engine.createPeer({
    track: (track) => {
      const trackId = (lastId += 1);
      const shared: SharedTrack = { track, stats: createSharedStats() };
      tracks.set(trackId, shared);
      writeStats(shared.stats, track.stats(), track.source.originMs);
      tell({ kind: 'track', peer: id, track: trackId, label: track.label, stats: shared.stats });
      void forward(trackId, shared);
    },
    channel: (channel) => {
      const channelId = (lastId += 1);
      channels.set(channelId, channel);
      tell({ kind: 'channel', peer: id, channel: channelId, label: channel.label });
    },
    reconnect: () => tell({ kind: 'reconnect', peer: id }),
    state: (state) => {
      tell({ kind: 'state', peer: id, state });
      if (state === 'closed') peers.delete(id);
    },
  });
  peers.set(id, peer);
}

async function forward(id: number, shared: SharedTrack): Promise<void> {
  for await (const item of shared.track.source) {
    batch.add(id, item);
    heard.add(shared);
    flushTimer ??= setTimeout(flush, FLUSH_MS);
    while (batchesSent - Atomics.load(taken, 0) > MAX_BATCHES_BEHIND) await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
  }
  tracks.delete(id);
  writeStats(shared.stats, shared.track.stats(), shared.track.source.originMs);
  tell({ kind: 'track-end', track: id });
}

function listen(id: number): void {
  channels.get(id)?.listen({
    message: (data) => tell({ kind: 'message', channel: id, data }),
    closed: () => {
      channels.delete(id);
      tell({ kind: 'channel-end', channel: id });
    },
  });
}
