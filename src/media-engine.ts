import { availableParallelism } from 'node:os';
import { chooseEngine, type EngineChoice } from '../media/engines/choice.ts';
import { createThreadedEngine, startThreadedMediasoup } from '../media/engines/threads/threaded-engine.ts';
import { clientIceServers, type ConfiguredIceServer } from '../signaling/turn-credentials.ts';
import type { Config } from './config/config.ts';
import type { MediaEngine } from './core/media-engine.ts';
import type { ObserveStage } from './core/stages.ts';
import type { Logger } from './observability/logger.ts';

/** So many fill half a core with their packets. Threads cost more for each of them (docs/performance.md), and leave this one to the clients. */
const PEERS_WITHOUT_THREADS = 100;

/** The WebRTC engine that the settings ask for. Rejects if the one that is named cannot be had. */
export async function createMediaEngine(config: Config, log?: Logger, observe?: ObserveStage): Promise<EngineChoice> {
  const servers = config.iceServers.map(({ urls, username, credential, secret }) => ({
    urls,
    ...(username !== undefined && { username }),
    ...(credential !== undefined && { credential }),
    ...(secret !== undefined && { secret }),
  }));
  const { mediaPort, mediaWorkers, udpPorts, announcedAddresses } = config;
  const common = {
    // For this side's own candidates, which credentials that expire would not serve.
    iceServers: servers.filter(({ secret }) => secret === undefined),
    maxPeers: config.maxPeers,
    recovery: { red: config.audioRedundancy, nack: config.audioRetransmission },
    ...(observe && { track: { observe } }),
    onWarning: (message: string, cause?: unknown): void => {
      log?.warn({ err: cause }, message);
    },
  };
  const { engine, reason } = await chooseEngine(config.mediaEngine, {
    mediasoup: () => startThreadedMediasoup({ ...common, threads: (config.mediaThreads ?? 0) > 0, announcedAddresses, port: mediaPort, workers: mediaWorkers ?? (mediaPort === 0 ? availableParallelism() : 1) }),
    werift: () =>
      createThreadedEngine({
        ...common,
        threads: config.mediaThreads ?? (config.maxPeers > PEERS_WITHOUT_THREADS ? Math.ceil(availableParallelism() / 2) : 0),
        additionalHostAddresses: ['127.0.0.1', ...announcedAddresses],
        ...(udpPorts !== undefined && { portRange: portRange(udpPorts) }),
      }),
  });
  return { engine: tellingOf(engine, servers, config.turnCredentialSeconds), reason };
}

/** The engine, with fresh credentials each time that its servers are asked for. */
const tellingOf = (engine: MediaEngine, servers: readonly ConfiguredIceServer[], validSeconds: number): MediaEngine => ({
  id: engine.id,
  get iceServers() {
    return clientIceServers(servers, Date.now(), validSeconds);
  },
  get peerCount() {
    return engine.peerCount;
  },
  createPeer: (handlers) => engine.createPeer(handlers),
  close: () => engine.close(),
});

function portRange(text: string): readonly [number, number] {
  const [low = 0, high = 0] = text.split('-').map(Number);
  return [low, high];
}
