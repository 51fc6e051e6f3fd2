import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createSileroDetectors } from '../media/vad/silero.ts';
import { msToSamples, SAMPLE_RATE_HZ } from './core/audio.ts';
import { systemClock } from './core/clock.ts';
import { Lane } from './core/session/lane.ts';
import { PiecePlaces, PiecewiseLane } from './core/session/piecewise-lane.ts';
import { FedSource, joined, quiet } from './core/testing/audio.ts';
import { spoken } from './core/testing/spoken.ts';
import type { Utterance } from './core/transcript.ts';
import { PocketSphinx } from './recognizers/pocketsphinx.ts';

const SENTENCES = ['the weather is fine today', 'the train will arrive at seven', 'we want to know how many people work in this building'] as const;
/** A cut in each pause. */
const PIECE_SAMPLES = 2 * SAMPLE_RATE_HZ;
/** Each piece begins to know the voice 15 s before its cut, the uncut lane from its start: words may begin some frames of 10 ms earlier or later. */
const MAX_SHIFT_SAMPLES = msToSamples(50);

const recognizer = new PocketSphinx({
  modelFolder: '/usr/share/pocketsphinx/model/en-us',
  processes: 1,
  maxLiveSessions: 1,
  maxBatchSessions: 2,
  onEngineExit: () => undefined,
  onEngineStartFailed: () => undefined,
});
after(() => recognizer.close());
await recognizer.ready('batch');

/** Two voices by turns, with pauses that are long enough for a cut. */
const TALK = joined(...SENTENCES.flatMap((sentence, index) => [quiet(index === 0 ? 0 : 1600), spoken(sentence, index % 2 === 0 ? 'slt' : 'rms')]));

/** Final utterances of the talk, and how many pieces it was cut into; `whole`: it is not cut. */
async function heard(extraPieces: number | 'whole'): Promise<{ readonly utterances: readonly Utterance[]; readonly pieces: number }> {
  const lease = recognizer.admit('batch');
  const utterances: Utterance[] = [];
  let streams = 0;
  const options = {
    index: 0,
    source: new FedSource().pcm(TALK, 1600).end(),
    lease: {
      ...lease,
      openStream: (...of: Parameters<typeof lease.openStream>) => {
        streams += 1;
        return lease.openStream(...of);
      },
    },
    detector: createSileroDetectors()(),
    endpointing: { segmentPauseMs: recognizer.capabilities.segmentPauseMs ?? 0 },
    maxSegmentSamples: recognizer.capabilities.maxSegmentSamples,
    clock: systemClock,
    emit: (event: Parameters<ConstructorParameters<typeof Lane>[0]['emit']>[0]) => {
      if (event.type === 'utterance.final' && event.utterance.words.length > 0) utterances.push(event.utterance);
    },
  };
  const lane = extraPieces === 'whole' ? new Lane(options) : new PiecewiseLane({ ...options, extraPieces: new PiecePlaces(extraPieces), pieceSamples: PIECE_SAMPLES });
  await lane.run();
  await lease.release();
  return { utterances, pieces: streams };
}

test('a long recording recognized in pieces, side by side, has the words of one recognized from its start to its end', { timeout: 300_000 }, async () => {
  const whole = await heard('whole');
  const one = await heard(0);
  const two = await heard(1);
  assert.deepEqual([whole.pieces, one.pieces], [1, SENTENCES.length]);
  assert.deepEqual(two, one, 'nothing depends on how many pieces run at a time');
  assert.deepEqual(one.utterances.map(({ id, text }) => [id, text]), whole.utterances.map(({ id, text }) => [id, text]));
  assert.equal(one.utterances.length, SENTENCES.length);
  const edges = ({ utterances }: typeof whole): number[] => utterances.flatMap(({ words }) => words.flatMap(({ startSample, endSample }) => [startSample, endSample]));
  const ofWhole = edges(whole);
  const shifts = edges(one).map((sample, index) => Math.abs(sample - (ofWhole[index] ?? Infinity)));
  assert.ok(Math.max(...shifts) <= MAX_SHIFT_SAMPLES, `${String(Math.max(...shifts))} samples`);
});
