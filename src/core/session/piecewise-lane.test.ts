import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { msToSamples, SAMPLE_RATE_HZ } from '../audio.ts';
import { ManualClock } from '../clock.ts';
import { EarshotError } from '../errors.ts';
import { FedSource, joined, loud, quiet, settle } from '../testing/audio.ts';
import { FakeDetectors } from '../testing/fake-detector.ts';
import { FakeRecognizer } from '../testing/fake-recognizer.ts';
import type { LaneTotals, TranscriptEvent, Utterance } from '../transcript.ts';
import { Lane } from './lane.ts';
import { PiecePlaces, PiecewiseLane } from './piecewise-lane.ts';

const PIECE_MS = 20_000;

function rig(extraPieces: number | 'whole', source = new FedSource(), endpointMs = 700) {
  const recognizer = new FakeRecognizer();
  const detectors = new FakeDetectors();
  const events: TranscriptEvent[] = [];
  const options = {
    index: 2,
    source,
    lease: recognizer.admit(),
    detector: detectors.create(),
    endpointing: { endpointMs },
    maxSegmentSamples: recognizer.capabilities.maxSegmentSamples,
    clock: new ManualClock(),
    emit: (event: TranscriptEvent) => void events.push(event),
  };
  const lane =
    extraPieces === 'whole'
      ? new Lane(options)
      : new PiecewiseLane({ ...options, extraPieces: new PiecePlaces(extraPieces), pieceSamples: msToSamples(PIECE_MS) });
  return { source, recognizer, detectors, events, lane };
}

/** What remains of a lane: its utterances and what was counted. */
async function outcome(extraPieces: number | 'whole', audio: Int16Array, endpointMs = 700): Promise<{ utterances: Utterance[]; totals: LaneTotals; started: number[] }> {
  const source = new FedSource();
  for (let from = 0; from < audio.length; from += 1_600_000) source.pcm(audio.subarray(from, from + 1_600_000), 1600);
  const { lane, events, recognizer, detectors } = rig(extraPieces, source.end(), endpointMs);
  await lane.run();
  assert.deepEqual([recognizer.openStreams, detectors.closed], [0, 1]);
  assert.equal(events.at(-1)?.type, 'lane.closed');
  return {
    utterances: events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance] : [])),
    totals: lane.totals(),
    started: events.flatMap((event) => (event.type === 'speech.started' ? [event.atSample] : [])),
  };
}

const TALK = joined(...Array.from({ length: 40 }, (_, index) => joined(loud(1500 + 100 * (index % 7)), quiet(900 + 170 * (index % 9)))));

test('pieces give the words, times, numbers and counts of the uncut lane, however many run at a time', async () => {
  const whole = await outcome('whole', TALK);
  assert.equal(whole.utterances.length, 40);
  for (const extraPieces of [0, 1, 3]) assert.deepEqual(await outcome(extraPieces, TALK), whole, `${String(extraPieces)} more`);
});

test('whatever is spoken and paused, and whatever ends an utterance', async () => {
  const part = fc.record({ loudMs: fc.integer({ min: 200, max: 9000 }), quietMs: fc.integer({ min: 50, max: 6000 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 4, maxLength: 20 }), fc.constantFrom(10, 700, 2500), async (parts, endpointMs) => {
      const audio = joined(...parts.map(({ loudMs, quietMs }) => joined(loud(loudMs), quiet(quietMs))));
      assert.deepEqual(await outcome(2, audio, endpointMs), await outcome('whole', audio, endpointMs));
    }),
    { numRuns: 10 },
  );
});

test('later pieces run while the first is not done, and wait with what they have to tell', async () => {
  const source = new FedSource().pcm(joined(loud(1000), quiet(PIECE_MS + 2000), loud(1000), quiet(PIECE_MS + 2000), loud(1000)), 16_000).end();
  const { lane, recognizer, events } = rig(1, source);
  recognizer.pause();
  const running = lane.run();
  for (let turns = 0; turns < 200; turns += 1) await settle();
  assert.equal(recognizer.openStreams, 2, 'as many as allowed');
  assert.ok(!events.some(({ type }) => type === 'utterance.final'));
  recognizer.resume();
  await running;
  const starts = events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.startSample / SAMPLE_RATE_HZ] : []));
  assert.deepEqual(starts, [0, 23, 46], 'in the order of the audio');
});

test('a source that waits is read no further than a bounded stretch ahead of a recognizer that stands still', async () => {
  let read = 0;
  const source = {
    close: () => undefined,
    async *[Symbol.asyncIterator]() {
      for (; read < 3600; read += 1) yield { kind: 'pcm' as const, startSample: read * SAMPLE_RATE_HZ, samples: loud(1000) };
    },
  };
  const { lane, recognizer } = rig(1, source as unknown as FedSource);
  recognizer.pause();
  const running = lane.run();
  for (let turns = 0; turns < 400; turns += 1) await settle();
  assert.ok(read > 100 && read < 200, `${String(read)} s`);
  recognizer.fail();
  recognizer.resume();
  await assert.rejects(running, { code: 'BACKEND_ERROR' });
  assert.ok(read < 200);
});

test('audio that breaks off is heard to its last sample, and the error comes after its words', async () => {
  const { source, lane, events } = rig(1);
  source.pcm(TALK.subarray(0, msToSamples(60_000)), 1600).fail(new EarshotError('AUDIO_MALFORMED', 'Broken.'));
  await assert.rejects(lane.run(), { code: 'AUDIO_MALFORMED' });
  const ends = events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.endSample] : []));
  assert.ok((ends.at(-1) ?? 0) > msToSamples(55_000));
  assert.equal(lane.totals().heardSamples, msToSamples(60_000));
  assert.ok(!events.some(({ type }) => type === 'lane.closed'));
});

test('a recognizer that fails ends all pieces', async () => {
  const { source, lane, recognizer } = rig(1);
  source.pcm(TALK, 1600);
  recognizer.pause();
  const running = lane.run();
  for (let turns = 0; turns < 100; turns += 1) await settle();
  recognizer.fail();
  recognizer.resume();
  await assert.rejects(running, { code: 'BACKEND_ERROR' });
  assert.equal(recognizer.openStreams, 0);
});
