import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Earshot, type Delta } from '../client/index.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { TestServer } from './server.ts';
import { tellStory } from './spoken.ts';

/** Of the moments at which connections are cut. */
const SEED = Number(process.env['SEED'] ?? Date.now() % 100_000);
const RUNS = 6;
/** Faster than speech, so that there is time for many cuts. */
const BYTES_PER_SECOND = 160_000;
const MEAN_MS_BETWEEN_CUTS = 60;

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed + 0x9e37_79b9;
  return () => {
    state = Math.imul(state ^ (state >>> 15), state | 1);
    state ^= state + Math.imul(state ^ (state >>> 7), state | 61);
    return ((state ^ (state >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Heard {
  readonly finals: readonly Delta[];
  readonly seqs: readonly number[];
  readonly sessionId: string | undefined;
}

describe('a stream whose connections are cut', () => {
  let server: TestServer;
  let audio: Buffer;

  before(async () => {
    server = await TestServer.start();
    audio = await readFile(await tellStory());
  });
  after(() => server.stop());
  afterEach(() => server.idle());

  /** Speaks the story to this address, and answers with what came back. */
  async function speak(url: string, onConnected?: () => void): Promise<Heard> {
    const deltas: Delta[] = [];
    const connected = (): void => onConnected?.();
    const stream = new Earshot({ url, key: server.apiKey }).stream({ delta: (delta) => deltas.push(delta), ready: connected, resumed: connected });
    const startMs = performance.now();
    for (let at = 0; at < audio.length; at += 1600) {
      await stream.send(audio.subarray(at, at + 1600));
      await pause(Math.max(0, startMs + (at / BYTES_PER_SECOND) * 1000 - performance.now()));
    }
    await stream.finish();
    return { finals: deltas.filter(({ isFinal }) => isFinal), seqs: deltas.flatMap(({ seq }) => seq ?? []), sessionId: stream.sessionId };
  }

  const wordsOf = ({ finals }: Heard): unknown[] => finals.flatMap(({ words }) => words.map(({ text, startSeconds, endSeconds }) => [text, startSeconds, endSeconds]));

  it('hears what an uncut one hears, word by word and to the millisecond, with one numbering', { timeout: 240_000 }, async () => {
    const uncut = await speak(server.url);
    assert.ok(wordsOf(uncut).length > 30);
    const proxy = await CuttingProxy.start(server.url);
    const random = randomFrom(SEED);
    let cuts = 0;
    try {
      for (let run = 0; run < RUNS; run += 1) {
        const speech = { isOver: false };
        let connected = Promise.withResolvers<void>();
        const cutting = (async () => {
          for (;;) {
            // A client gives up in the end if it is never let in.
            await connected.promise;
            connected = Promise.withResolvers();
            await pause(random() * 2 * MEAN_MS_BETWEEN_CUTS);
            if (speech.isOver) return;
            // Half of them after a while in which the client was told nothing.
            if (random() < 0.5) {
              proxy.deafen();
              await pause(random() * MEAN_MS_BETWEEN_CUTS);
            }
            proxy.cut();
            cuts += 1;
          }
        })();
        const heard = await speak(proxy.url, () => {
          connected.resolve();
        }).finally(() => {
          speech.isOver = true;
          connected.resolve();
        });
        await cutting;
        assert.deepEqual(wordsOf(heard), wordsOf(uncut), `run ${String(run)}, seed ${String(SEED)}`);
        assert.deepEqual(heard.seqs, [...new Set(heard.seqs)].toSorted((a, b) => a - b), `one numbering (seed ${String(SEED)})`);
      }
    } finally {
      await proxy.close();
    }
    console.log(`${String(cuts)} cuts (seed ${String(SEED)})`);
    assert.ok(cuts > RUNS * 5, `only ${String(cuts)} cuts`);
  });
});
