import { availableParallelism } from 'node:os';
import { chooseEngine, type EngineChoice } from '../media/engines/choice.ts';
import { startMediasoupEngine } from '../media/engines/mediasoup.ts';
import { createThreadedEngine } from '../media/engines/threads/threaded-engine.ts';
import type { Config } from './config/config.ts';
import type { ObserveStage } from './core/stages.ts';
import type { Logger } from './observability/logger.ts';

/** The WebRTC engine that the settings ask for. Rejects if the one that is named cannot be had. */
export function createMediaEngine(config: Config, log?: Logger, observe?: ObserveStage): Promise<EngineChoice> {
  const { mediaPort, mediaWorkers, udpPorts, announcedAddresses } = config;
  const common = {
    iceServers: config.iceServers.map(({ urls, username, credential }) => ({
      urls,
      ...(username !== undefined && { username }),
      ...(credential !== undefined && { credential }),
    })),
    maxPeers: config.maxPeers,
    ...(observe && { track: { observe } }),
    onWarning: (message: string, cause?: unknown): void => {
      log?.warn({ err: cause }, message);
    },
  };
  return chooseEngine(config.mediaEngine, {
    mediasoup: () => startMediasoupEngine({ ...common, announcedAddresses, port: mediaPort, workers: mediaWorkers ?? (mediaPort === 0 ? availableParallelism() : 1) }),
    werift: () =>
      createThreadedEngine({
        ...common,
        threads: config.mediaThreads ?? Math.ceil(availableParallelism() / 2),
        additionalHostAddresses: ['127.0.0.1', ...announcedAddresses],
        ...(udpPorts !== undefined && { portRange: portRange(udpPorts) }),
      }),
  });
}

function portRange(text: string): readonly [number, number] {
  const [low = 0, high = 0] = text.split('-').map(Number);
  return [low, high];
}
