import { setTimeout as sleep } from 'node:timers/promises';
import type { SpeakOptions } from './clients/gladia.ts';
import type { CuttingProxy } from './cutting-proxy.ts';

/** Longest pause before a cut, so that it falls anywhere within what is sent. */
const MAX_PAUSE_MS = 20;
/** Bytes of the client's next messages that still pass. */
const MAX_PASSED_BYTES = 4000;
const MAX_DEAF_CHUNKS = 5;
const MAX_CUTS_AFTER_STOP = 3;
const MAX_PAUSE_AFTER_STOP_MS = 300;

/** How the connection is lost. */
export const CUTS = ['while audio is sent', 'within a message', 'with acknowledgements unseen', 'as soon as it is back', 'after the stop'] as const;

export type CutKind = (typeof CUTS)[number];

/**
 * Always the same cuts for the same seed, as far as a network has it. What is not connected is not cut: the package gives up after some attempts in a row, whatever is at the other end. `made` is told of each cut.
 */
export function disturbances(proxy: CuttingProxy, seed: number, made: (kind: CutKind) => void): Pick<SpeakOptions, 'disturb' | 'afterStop'> {
  const random = randomOf(seed);
  /** Chunks until a client that hears nothing loses its connection. */
  let deafFor = 0;
  /** The last connection that was cut, by its number. */
  let lastCut = 0;
  let again = false;
  const cut = (kind: CutKind): void => {
    proxy.cut();
    made(kind);
  };
  return {
    disturb: async (connections) => {
      if (connections === lastCut) return;
      if (deafFor > 0) {
        deafFor -= 1;
        if (deafFor > 0) return;
        lastCut = connections;
        cut('with acknowledgements unseen');
        return;
      }
      const chance = random();
      if (!again && chance > 0.6) return;
      if (!again && chance < 0.1) {
        proxy.deafen();
        deafFor = 1 + Math.floor(random() * MAX_DEAF_CHUNKS);
        return;
      }
      lastCut = connections;
      if (!again && chance < 0.2) {
        proxy.cutWithin(Math.floor(random() * MAX_PASSED_BYTES));
        made('within a message');
        return;
      }
      await sleep(random() * MAX_PAUSE_MS);
      cut(again ? 'as soon as it is back' : 'while audio is sent');
      again = !again && chance < 0.3;
    },
    afterStop: async () => {
      // Its audio was over before it lost the connection.
      if (deafFor > 0) cut('with acknowledgements unseen');
      for (let left = Math.floor(random() * (MAX_CUTS_AFTER_STOP + 1)); left > 0; left -= 1) {
        await sleep(random() * MAX_PAUSE_AFTER_STOP_MS);
        cut('after the stop');
      }
    },
  };
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
