import type { Backend, RecognizerOffer } from '../../core/backend.ts';
import type { BackendContext } from '../backend-context.ts';
import { PocketSphinx } from '../pocketsphinx.ts';

const MODEL = 'pocketsphinx-en-us';
/** The yardstick of ranks: the engine that is always there, and that nearly every other one betters. */
const RANK = 10;

/** PocketSphinx with its one model. */
export function createPocketSphinxBackend({ config, log, hold }: BackendContext): Backend {
  const recognizer = new PocketSphinx({
    modelFolder: config.modelDir,
    ...(hold && { hold }),
    ...(config.engineProcesses !== undefined && { processes: config.engineProcesses }),
    ...(config.maxLiveSessions !== undefined && { maxLiveSessions: config.maxLiveSessions }),
    ...(config.maxBatchSessions !== undefined && { maxBatchSessions: config.maxBatchSessions }),
    onEngineExit: (exit) => {
      log.warn(exit, 'an engine process ended and is replaced; its sessions are replayed');
    },
    onEngineStartFailed: (reason) => {
      log.error({ reason }, 'an engine process did not start');
    },
  });
  const offers: readonly RecognizerOffer[] = [{ model: MODEL, recognizer, rank: { live: RANK, batch: RANK } }];
  return {
    id: recognizer.id,
    letter: 'A',
    offers: () => Promise.resolve(offers),
    snapshot: () => recognizer.snapshot(),
    ready: (priority) => recognizer.ready(priority),
    close: () => recognizer.close(),
  };
}
