import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { msToSamples } from '../audio.ts';
import { MAX_LOOK_BACK_SAMPLES } from '../recognizer.ts';
import { DETECTOR_WINDOW_SAMPLES } from '../speech-detector.ts';
import { Endpointer, type EndpointingAction, type EndpointingOptions, type JudgedWindow } from './endpointing.ts';

const MAX_SEGMENT = msToSamples(15_000);

/** Windows of speech and silence in turn, by their number; power tells loud from quiet. */
function windows(...runs: readonly number[]): JudgedWindow[] {
  return runs.flatMap((count, index) => Array.from({ length: count }, () => index % 2 === 0)).map((isSpeech, index) => ({
    startSample: index * DETECTOR_WINDOW_SAMPLES,
    isSpeech,
    power: isSpeech ? 1000 : 1,
  }));
}

function run(judged: readonly JudgedWindow[], options: EndpointingOptions = {}, maxSegmentSamples = MAX_SEGMENT): EndpointingAction[] {
  const endpointer = new Endpointer(options, maxSegmentSamples);
  const actions = judged.flatMap((window) => endpointer.push(window));
  return [...actions, ...endpointer.finish(judged.length * DETECTOR_WINDOW_SAMPLES)];
}

const inWindows = (actions: readonly EndpointingAction[]): string[] =>
  actions.map(({ type, atSample }) => `${type} ${String(atSample / DETECTOR_WINDOW_SAMPLES)}`);

test('an utterance starts before its first speech and ends with its last, a segment is settled in the pause', () => {
  // 20 windows of silence, 40 of speech, then silence: 250 ms are 8 windows, 700 ms are 22.
  const actions = inWindows(run(windows(0, 20, 40, 30)));
  assert.deepEqual(actions, ['utterance-start 7.5', 'segment-start 7.5', 'segment-end 68', 'utterance-end 60']);
});

test('a pause for breath begins a new segment of the same utterance', () => {
  const actions = inWindows(run(windows(30, 12, 30, 22)));
  assert.deepEqual(actions, [
    'utterance-start 0',
    'segment-start 0',
    'segment-end 38',
    'segment-start 38',
    'segment-end 80',
    'utterance-end 72',
  ]);
});

test('an engine that wants few segments gets one for several breaths, and no longer ones', () => {
  const inBreaths = windows(30, 12, 30, 12, 30, 22);
  const count = (options: EndpointingOptions, max?: number): number => run(inBreaths, options, max).filter(({ type }) => type === 'segment-end').length;
  assert.deepEqual([count({}), count({ segmentPauseMs: 700 }), count({ segmentPauseMs: 9000 })], [3, 1, 1]);
  assert.equal(count({ segmentPauseMs: 700 }, 50 * DETECTOR_WINDOW_SAMPLES), 3);
});

test('an engine that wants few segments is told of the pauses within them', () => {
  const actions = inWindows(run(windows(30, 12, 30, 22), { segmentPauseMs: 700 }));
  assert.deepEqual(actions, [
    'utterance-start 0',
    'segment-start 0',
    'segment-pause 38',
    'segment-resume 42',
    'segment-pause 80',
    'segment-end 94',
    'utterance-end 72',
  ]);
});

test('the endpoint is as long as it was asked to be', () => {
  for (const endpointMs of [10, 200, 700, 2000]) {
    const judged = windows(30, 100);
    const endpointer = new Endpointer({ endpointMs }, MAX_SEGMENT);
    const ended = judged.findIndex((window) => endpointer.push(window).some(({ type }) => type === 'utterance-end'));
    assert.equal(ended + 1 - 30, Math.ceil(msToSamples(endpointMs) / DETECTOR_WINDOW_SAMPLES));
    assert.equal(endpointer.idle, true);
  }
});

test('speech without a pause is cut where it was quietest of late', () => {
  const judged = windows(600).map((window, index) => (index === 420 || index === 380 ? { ...window, power: 3 } : window));
  const actions = inWindows(run(judged));
  // 15 s are 469 windows; the last 2.5 s of them hold window 420 and not 380.
  assert.deepEqual(actions.slice(0, 4), ['utterance-start 0', 'segment-start 0', 'segment-end 421', 'segment-start 421']);
  assert.deepEqual(actions.slice(-2), ['segment-end 600', 'utterance-end 600']);
});

test('in a long segment a shorter pause is enough', () => {
  const short = inWindows(run(windows(100, 6, 100)));
  assert.equal(short.filter((action) => action.startsWith('segment-end')).length, 1, '190 ms are no pause at 3 s');
  const long = inWindows(run(windows(320, 6, 100)));
  assert.deepEqual(long.slice(2, 4), ['segment-end 325', 'segment-start 325'], '160 ms are one at 10 s');
});

test('an utterance that became too long ends at its next pause, or at a cut', () => {
  const atPause = inWindows(run(windows(280, 10, 280, 10, 280, 10, 200), { maxUtteranceMs: 20_000 }));
  assert.deepEqual(atPause.filter((action) => action.startsWith('utterance')), [
    'utterance-start 0',
    'utterance-end 860',
    'utterance-start 868',
    'utterance-end 1070',
  ]);
  const atCut = inWindows(run(windows(1000), { maxUtteranceMs: 20_000 }));
  const ends = atCut.filter((action) => action.startsWith('utterance'));
  assert.equal(ends.length, 4);
  assert.equal(ends[1]?.split(' ')[1], ends[2]?.split(' ')[1], 'the next begins where the last ended');
});

test('finish ends what is open, and nothing twice', () => {
  const endpointer = new Endpointer({}, MAX_SEGMENT);
  assert.deepEqual(endpointer.finish(0), []);
  for (const window of windows(10)) endpointer.push(window);
  assert.deepEqual(inWindows(endpointer.finish(10 * DETECTOR_WINDOW_SAMPLES)), ['segment-end 10', 'utterance-end 10']);
  assert.deepEqual(endpointer.finish(10 * DETECTOR_WINDOW_SAMPLES), []);
});

/** Speech and silence in turn with a power for each window; kept small, so that a counterexample can be read. */
const lane = fc.record({ runs: fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 12, size: 'max' }), seed: fc.nat() });

function judge({ runs, seed }: { readonly runs: readonly number[]; readonly seed: number }): JudgedWindow[] {
  let state = seed;
  return windows(0, ...runs).map((window) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return { ...window, power: (state >>> 16) % 50 };
  });
}

const settings = fc.record({
  endpointMs: fc.integer({ min: 10, max: 10_000 }),
  maxUtteranceMs: fc.integer({ min: 1000, max: 120_000 }),
  maxSegmentMs: fc.integer({ min: 1000, max: 20_000 }),
  /** Windows after which the lane is flushed. */
  flushes: fc.array(fc.nat(3000), { maxLength: 3 }),
});

/** The actions of a lane, each with the end of what had been heard then. */
function act(judged: readonly JudgedWindow[], set: { endpointMs: number; maxUtteranceMs: number; maxSegmentMs: number; flushes: number[] }): (EndpointingAction & { readonly heard: number })[] {
  const endpointer = new Endpointer(set, msToSamples(set.maxSegmentMs));
  const actions: (EndpointingAction & { readonly heard: number })[] = [];
  const take = (taken: EndpointingAction[], heard: number): void => void actions.push(...taken.map((action) => ({ ...action, heard })));
  for (const [index, window] of judged.entries()) {
    const heard = (index + 1) * DETECTOR_WINDOW_SAMPLES;
    take(endpointer.push(window), heard);
    if (set.flushes.includes(index)) take(endpointer.finish(heard), heard);
  }
  take(endpointer.finish(judged.length * DETECTOR_WINDOW_SAMPLES), judged.length * DETECTOR_WINDOW_SAMPLES);
  return actions;
}

test('whatever is heard: actions balance, positions never go back, segments neither overlap nor grow too long, all speech is covered', () => {
  fc.assert(
    fc.property(lane, settings, (described, set) => {
      const judged = judge(described);
      const actions = act(judged, set);
      const order = actions.map(({ type }) => `${type} `).join('');
      assert.match(order, /^(utterance-start (segment-start segment-end )+utterance-end )*$/);

      const maxSegment = Math.min(msToSamples(set.maxSegmentMs), msToSamples(set.maxUtteranceMs));
      const segments: { start: number; end: number }[] = [];
      let utteranceStart = 0;
      for (const { type, atSample, heard } of actions) {
        const lastEnd = segments.at(-1)?.end ?? 0;
        assert.ok(atSample >= 0 && atSample <= heard, 'nothing of the future');
        if (type === 'segment-start') {
          assert.ok(atSample >= lastEnd && atSample >= heard - MAX_LOOK_BACK_SAMPLES);
          segments.push({ start: atSample, end: Infinity });
        } else if (type === 'segment-end') {
          const segment = segments.at(-1)!;
          segment.end = atSample;
          assert.ok(atSample > segment.start);
          assert.ok(atSample - segment.start < maxSegment + DETECTOR_WINDOW_SAMPLES);
        } else if (type === 'utterance-start') {
          assert.ok(atSample >= lastEnd);
          utteranceStart = atSample;
        } else {
          assert.ok(atSample >= utteranceStart && atSample <= lastEnd);
          const slack = maxSegment + msToSamples(set.endpointMs) + DETECTOR_WINDOW_SAMPLES;
          assert.ok(lastEnd - utteranceStart < msToSamples(set.maxUtteranceMs) + slack);
        }
      }
      for (const window of judged) {
        if (!window.isSpeech) continue;
        const end = window.startSample + DETECTOR_WINDOW_SAMPLES;
        const covered = segments.reduce((sum, segment) => sum + Math.max(0, Math.min(segment.end, end) - Math.max(segment.start, window.startSample)), 0);
        assert.equal(covered, DETECTOR_WINDOW_SAMPLES);
      }
    }),
    { numRuns: 150 },
  );
});

test('a cut in the silence after the last word leaves no utterance of silence', () => {
  // A second is 31.25 windows: it is full in the pause, before that is long enough to end the segment.
  const actions = inWindows(run(windows(30, 20), { maxUtteranceMs: 1000 }));
  assert.deepEqual(actions, ['utterance-start 0', 'segment-start 0', 'segment-end 31', 'utterance-end 30']);
});
