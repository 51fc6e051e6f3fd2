import assert from 'node:assert/strict';
import test from 'node:test';
import { msToSamples, SAMPLE_RATE_HZ, type AudioSource, type LaneAudio } from '../audio.ts';
import { ManualClock } from '../clock.ts';
import { EarshotError } from '../errors.ts';
import { DETECTOR_WINDOW_SAMPLES } from '../speech-detector.ts';
import { FedSource, joined, loud, quiet, settle } from '../testing/audio.ts';
import { FakeDetectors } from '../testing/fake-detector.ts';
import { FakeRecognizer, type FakeRecognizerOptions } from '../testing/fake-recognizer.ts';
import type { TranscriptEvent } from '../transcript.ts';
import type { EndpointingOptions } from './endpointing.ts';
import { Lane } from './lane.ts';

interface Settings {
  readonly source?: AudioSource;
  readonly endpointing?: EndpointingOptions;
  readonly recognizer?: FakeRecognizerOptions;
  /** The engine tells no interims. */
  readonly silent?: boolean;
}

/** A lane with everything around it. */
function rig(settings: Settings = {}) {
  const source = new FedSource();
  const recognizer = new FakeRecognizer(settings.recognizer);
  const detectors = new FakeDetectors();
  const events: TranscriptEvent[] = [];
  const lease = recognizer.admit();
  const lane = new Lane({
    index: 1,
    source: settings.source ?? source,
    lease: settings.silent ? { ...lease, openStream: (sink) => lease.openStream({ ...sink, interim: () => undefined }) } : lease,
    detector: detectors.create(),
    endpointing: settings.endpointing ?? {},
    maxSegmentSamples: recognizer.capabilities.maxSegmentSamples,
    clock: new ManualClock(),
    emit: (event) => events.push(event),
  });
  return { source, recognizer, detectors, events, lane };
}

const finals = (events: readonly TranscriptEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'utterance.final' ? [`${event.utterance.id} ${event.utterance.text}`.trim()] : []));
const types = (events: readonly TranscriptEvent[]): string[] =>
  events.map(({ type }) => type).filter((type, index, all) => type !== 'utterance.interim' || all[index - 1] !== type);

test('speech becomes interims and one final, between its start and the end of the lane', async () => {
  const { source, events, lane, recognizer, detectors } = rig();
  source.pcm(joined(quiet(1000), loud(1000), quiet(1000))).end();
  await lane.run();
  assert.deepEqual(types(events), ['speech.started', 'utterance.interim', 'speech.ended', 'utterance.final', 'lane.closed']);
  const [final] = events.flatMap((event) => (event.type === 'utterance.final' ? event.utterance : []));
  assert.deepEqual(
    { text: final?.text, start: final?.startSample, end: final?.endSample, stable: final?.stableWords, lane: final?.laneIndex },
    { text: 'w2 w3', start: SAMPLE_RATE_HZ, end: 2 * SAMPLE_RATE_HZ, stable: 2, lane: 1 },
  );
  assert.ok(final?.words.every((word) => word.confidence === 0.9));
  const interims = events.flatMap((event) => (event.type === 'utterance.interim' ? event.utterance.words : []));
  assert.ok(interims.length > 0 && interims.every((word) => !('confidence' in word)));
  assert.deepEqual([detectors.closed, recognizer.openStreams], [1, 0]);
});

test('of an engine without interims, what is settled is shown before the utterance ends', async () => {
  const { source, events, lane } = rig({ silent: true });
  source.pcm(joined(loud(1000), quiet(400), loud(1000), quiet(1000))).end();
  await lane.run();
  const texts = events.flatMap((event) => (event.type === 'utterance.interim' || event.type === 'utterance.final' ? [`${event.type} ${event.utterance.text}`] : []));
  assert.deepEqual(texts, ['utterance.interim w0 w1', 'utterance.interim w0 w1 w3 w4', 'utterance.final w0 w1 w3 w4']);
});

test('utterances are numbered on their lane, and the id of an interim is that of its final', async () => {
  const { source, events, lane } = rig();
  source.pcm(joined(loud(1000), quiet(1000), loud(1000), quiet(1000), loud(600))).end();
  await lane.run();
  assert.deepEqual(finals(events), ['L1-U0 w0 w1', 'L1-U1 w4 w5', 'L1-U2 w8']);
  let openId: string | undefined;
  for (const event of events) {
    if (event.type === 'utterance.interim') openId = event.utterance.id;
    if (event.type === 'utterance.final') assert.equal(event.utterance.id, openId);
  }
});

test('words do not depend on how the audio was cut into frames', async () => {
  const speech = joined(quiet(333), loud(2700), quiet(300), loud(900), quiet(1200), loud(5000), quiet(100));
  const results = await Promise.all(
    [1, 160, 512, 777, 16_000, speech.length].map(async (frameSamples) => {
      const { source, events, lane } = rig({ recognizer: { maxSegmentSamples: 2 * SAMPLE_RATE_HZ } });
      for (let offset = 0; offset < speech.length; offset += 5000 * frameSamples) {
        source.pcm(speech.subarray(offset, offset + 5000 * frameSamples), frameSamples);
      }
      source.end();
      await lane.run();
      return events.filter(({ type }) => type !== 'utterance.interim');
    }),
  );
  for (const result of results) assert.deepEqual(result, results[0]);
  assert.ok(finals(results[0] ?? []).length >= 2);
});

test('the last words count though the lane ends in the middle of a window', async () => {
  const { source, events, lane } = rig();
  source.pcm(loud(1010)).end();
  await lane.run();
  assert.deepEqual(finals(events), ['L1-U0 w0 w1']);
  assert.deepEqual(events.at(-1), {
    type: 'lane.closed',
    totals: { laneIndex: 1, heardSamples: msToSamples(1010), speechSamples: Math.ceil(msToSamples(1010) / DETECTOR_WINDOW_SAMPLES) * DETECTOR_WINDOW_SAMPLES, gapSamples: 0 },
  });
});

test('silence, however long, becomes nothing', async () => {
  const { source, events, lane } = rig();
  source.pcm(quiet(60_000)).end();
  await lane.run();
  assert.deepEqual(types(events), ['lane.closed']);
});

test('a short gap is silence to the recognizer, and time goes on', async () => {
  const { source, events, lane, recognizer, detectors } = rig();
  source.pcm(loud(1000)).gap(200).pcm(loud(800)).end();
  await lane.run();
  assert.deepEqual(finals(events), ['L1-U0 w0 w1 w2 w3']);
  const last = events.at(-1);
  assert.ok(last?.type === 'lane.closed');
  assert.deepEqual([last.totals.heardSamples, last.totals.gapSamples], [msToSamples(2000), msToSamples(200)]);
  assert.ok(recognizer.writtenSamples >= msToSamples(2000));
  assert.equal(detectors.resets, 0);
});

test('a long gap ends the utterance, is then skipped, and what follows has its true place', async () => {
  const { source, events, lane, recognizer, detectors } = rig();
  source.pcm(loud(1000)).gap(3_600_000).pcm(loud(1000)).pcm(quiet(1000)).end();
  await lane.run();
  assert.deepEqual(finals(events), ['L1-U0 w0 w1', 'L1-U1 w7202 w7203']);
  assert.ok(recognizer.writtenSamples < msToSamples(6000), 'an hour is not fed to the engine');
  assert.ok(detectors.resets > 0);
  const last = events.at(-1);
  assert.ok(last?.type === 'lane.closed');
  assert.equal(last.totals.heardSamples, msToSamples(3_603_000));
});

test('a gap of any length in the middle of a window keeps every later position', async () => {
  for (const gapMs of [1, 31, 999, 1001, 1033, 5000.5]) {
    const { source, events, lane } = rig();
    source.pcm(quiet(105)).gap(gapMs).pcm(quiet(10_000 - 105 - gapMs)).pcm(loud(1000)).end();
    await lane.run();
    assert.deepEqual(finals(events), ['L1-U0 w20 w21'], `after a gap of ${String(gapMs)} ms`);
  }
});

test('noise that never became a word leaves no utterance', async () => {
  const { source, events, lane } = rig();
  source.pcm(joined(quiet(320), loud(200), quiet(1500))).end();
  await lane.run();
  assert.deepEqual(types(events), ['speech.started', 'speech.ended', 'utterance.dismissed', 'lane.closed']);
});

test('endpointing that is set on the way holds from the audio that was queued by then', async () => {
  const { source, events, lane } = rig({ endpointing: { endpointMs: Infinity } });
  source.pcm(joined(loud(1000), quiet(2000)));
  const set = lane.setEndpointing({ endpointMs: 500 });
  source.pcm(joined(loud(1000), quiet(600), loud(1000), quiet(100))).end();
  await lane.run();
  await set;
  assert.deepEqual(finals(events), ['L1-U0 w0 w1 w6 w7', 'L1-U1 w9 w10']);
});

test('words of settled segments are told from those that may change', async () => {
  const { source, events, lane } = rig();
  source.pcm(joined(loud(1000), quiet(400), loud(1000), quiet(1000))).end();
  await lane.run();
  const settled = events.flatMap((event) => (event.type === 'utterance.interim' || event.type === 'utterance.final' ? [event.utterance.settledWords] : []));
  assert.deepEqual([...new Set(settled)], [0, 2, 4]);
});

test('interims that turned out to be nothing are taken back by an empty final', async () => {
  const { source, events, recognizer } = rig();
  const lease = recognizer.admit();
  const fickle = new Lane({
    index: 0,
    source,
    lease: {
      ...lease,
      openStream: (sink) => {
        const stream = lease.openStream(sink);
        return {
          write: (frame) => stream.write(frame),
          beginSegment: (startSample) => stream.beginSegment(startSample),
          endSegment: (endSample) => stream.endSegment(endSample).then(() => []),
          close: () => stream.close(),
        };
      },
    },
    detector: new FakeDetectors().create(),
    endpointing: {},
    maxSegmentSamples: 15 * SAMPLE_RATE_HZ,
    clock: new ManualClock(),
    emit: (event) => events.push(event),
  });
  source.pcm(joined(loud(1000), quiet(1000))).end();
  await fickle.run();
  assert.deepEqual(types(events), ['speech.started', 'utterance.interim', 'speech.ended', 'utterance.final', 'lane.closed']);
  assert.deepEqual(finals(events), ['L0-U0']);
});

test('flush ends the open utterance at what was heard, and the next goes on from there', async () => {
  const { source, events, lane } = rig();
  const running = lane.run();
  source.pcm(loud(1600));
  await settle();
  await lane.flush();
  assert.deepEqual(finals(events), ['L1-U0 w0 w1 w2']);
  source.pcm(loud(1400)).end();
  await running;
  assert.deepEqual(finals(events), ['L1-U0 w0 w1 w2', 'L1-U1 w3 w4 w5']);
});

test('flush takes what is queued already, and nothing that comes after', async () => {
  const { source, events, lane } = rig();
  source.pcm(loud(1600));
  const flushed = lane.flush();
  source.pcm(loud(1400)).end();
  const running = lane.run();
  await flushed;
  assert.deepEqual(finals(events), ['L1-U0 w0 w1 w2']);
  await running;
  assert.deepEqual(finals(events), ['L1-U0 w0 w1 w2', 'L1-U1 w3 w4 w5']);
});

test('flush answers before any audio, in silence, twice, and after the end', async () => {
  const { source, lane, events } = rig();
  await lane.flush();
  const running = lane.run();
  await lane.flush();
  source.pcm(quiet(500));
  await settle();
  await Promise.all([lane.flush(), lane.flush()]);
  source.end();
  await running;
  await lane.flush();
  assert.deepEqual(types(events), ['lane.closed']);
});

test('flush waits for the engine, and answers though the engine fails', async () => {
  const { source, lane, recognizer, events } = rig();
  const running = assert.rejects(lane.run(), { code: 'BACKEND_ERROR' });
  source.pcm(loud(1000));
  await settle();
  recognizer.pause();
  let answered = false;
  const flushing = lane.flush().then(() => {
    answered = true;
  });
  await settle();
  assert.equal(answered, false);
  recognizer.fail();
  await flushing;
  source.end();
  await running;
  assert.deepEqual(finals(events), [], 'what the engine did not settle is not told as settled');
});

test('a lane reads no further while two segments are unsettled', async () => {
  const { source, lane, recognizer, events } = rig();
  recognizer.pause();
  const running = lane.run();
  for (let count = 0; count < 20; count += 1) source.pcm(joined(loud(600), quiet(300)));
  source.end();
  await settle();
  const written = recognizer.writtenSamples;
  assert.ok(written < msToSamples(2 * 900 + 100), String(written));
  await settle();
  assert.equal(recognizer.writtenSamples, written);
  recognizer.resume();
  await running;
  assert.equal(finals(events).length, 1);
});

test('an engine that fails ends the lane with its error and frees what the lane had', async () => {
  const { source, lane, recognizer, detectors, events } = rig();
  const running = lane.run();
  source.pcm(loud(1000));
  await settle();
  recognizer.fail();
  source.pcm(loud(100));
  await assert.rejects(running, { code: 'BACKEND_ERROR' });
  assert.deepEqual([detectors.closed, recognizer.openStreams], [1, 0]);
  assert.ok(!types(events).includes('lane.closed'));
});

test('a source that breaks ends the lane with its error, after the words before it', async () => {
  const { source, lane, recognizer, detectors, events } = rig();
  source.pcm(joined(loud(1000), quiet(1000), loud(1000))).fail(new EarshotError('AUDIO_MALFORMED', 'Broken.'));
  await assert.rejects(lane.run(), { code: 'AUDIO_MALFORMED' });
  assert.deepEqual(finals(events), ['L1-U0 w0 w1', 'L1-U1 w4 w5']);
  assert.deepEqual([detectors.closed, recognizer.openStreams], [1, 0]);
});

test('a stream closed under the lane tells no final that nobody recognized', async () => {
  const { source, lane, recognizer, events } = rig();
  const running = lane.run();
  source.pcm(joined(loud(1000), quiet(100)));
  await settle();
  recognizer.pause();
  source.pcm(quiet(1000));
  await settle();
  assert.equal(events.at(-1)?.type, 'speech.ended');
  await recognizer.close();
  source.end();
  await assert.rejects(running);
  assert.deepEqual(finals(events), []);
});

test('end delivers what the source still has', async () => {
  const { source, lane, events } = rig();
  source.pcm(loud(1000));
  lane.end();
  await lane.run();
  assert.deepEqual(finals(events), ['L1-U0 w0 w1']);
  assert.equal(source.closes, 1);
});

test('a recovered engine is told with what it heard again', async () => {
  const { source, lane, recognizer, events } = rig();
  recognizer.recover(4711);
  source.end();
  await lane.run();
  assert.deepEqual(events[0], { type: 'recognizer.recovered', laneIndex: 1, replayedSamples: 4711 });
});

test('a source that is slow to end does not keep a failed lane open', async () => {
  let left = false;
  const source: AudioSource = {
    close: () => undefined,
    async *[Symbol.asyncIterator](): AsyncGenerator<LaneAudio, void, void> {
      try {
        for (let startSample = 0; ; startSample += 16_000) yield { kind: 'pcm', startSample, samples: loud(1000) };
      } finally {
        left = true;
      }
    },
  };
  const { lane, recognizer } = rig({ source });
  const running = lane.run();
  recognizer.fail();
  await assert.rejects(running, { code: 'BACKEND_ERROR' });
  assert.equal(left, true);
});
