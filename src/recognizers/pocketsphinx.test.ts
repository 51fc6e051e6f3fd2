import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { RecognizerPriority, RecognizerStream } from '../core/recognizer.ts';
import { spoken } from '../core/testing/spoken.ts';
import { PocketSphinx } from './pocketsphinx.ts';

const FRAME = 1600;

/** One segment, handed over as fast as it is taken. */
async function hear(stream: RecognizerStream, startSample: number, samples: Int16Array): Promise<void> {
  for (let at = 0; at < samples.length; at += FRAME) {
    await stream.write({ kind: 'pcm', startSample: startSample + at, samples: samples.slice(at, at + FRAME) });
    if (at === 0) stream.beginSegment(startSample);
  }
  assert.notDeepEqual(await stream.endSegment(startSample + samples.length), []);
}

test('batch work stands still while a live lane waits for its engine, and goes on after', async () => {
  const recognizer = new PocketSphinx({
    modelFolder: '/usr/share/pocketsphinx/model/en-us',
    processes: 1,
    maxLiveSessions: 1,
    maxBatchSessions: 1,
    onEngineExit: () => undefined,
    onEngineStartFailed: () => undefined,
  });
  const streamOf = (priority: RecognizerPriority): RecognizerStream => recognizer.admit(priority).openStream({ interim: () => undefined, recovered: () => undefined });
  try {
    await Promise.all([recognizer.ready('live'), recognizer.ready('batch')]);
    const sentence = spoken('The weather is fine today and we are going to walk along the river.');
    const batchStream = streamOf('batch');
    const startMs = performance.now();
    await hear(batchStream, 0, sentence);
    const freeMs = performance.now() - startMs;

    // A live engine that is busy for as long as this test likes.
    const [livePid = 0] = recognizer.pids;
    process.kill(livePid, 'SIGSTOP');
    const live = hear(streamOf('live'), 0, sentence);
    let isDone = false;
    const batch = hear(batchStream, sentence.length, sentence).then(() => {
      isDone = true;
    });
    await pause(3 * freeMs);
    assert.equal(isDone, false, 'it would have been, three times over');
    process.kill(livePid, 'SIGCONT');
    await Promise.all([live, batch]);
  } finally {
    await recognizer.close();
  }
});
