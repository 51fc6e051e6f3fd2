import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES, type Recognizer, type RecognizerLease, type RecognizerStream } from '../core/recognizer.ts';
import { textOf, type Word } from '../core/transcript.ts';

/** A recognizer to be held to its contract, with what it understands. */
export interface RecognizerSubject {
  /** Ready, with {@link SUBJECT_LIVE_SESSIONS} places for live sessions. */
  readonly recognizer: Recognizer;
  /** Some seconds in which it hears words. */
  readonly speech: Int16Array;
  /** Longest time in which it tells what it heard so far, in ms; 0 if it does so before a write resolves. */
  readonly interimWithinMs: number;
}

/** Places that the subject has for live sessions. */
export const SUBJECT_LIVE_SESSIONS = 2;

export interface RecognizerCheck {
  readonly name: string;
  readonly run: (subject: RecognizerSubject) => Promise<void>;
}

const FRAME_SAMPLES = 512;
const SILENCE = new Int16Array(SAMPLE_RATE_HZ);

/** One lane at the recognizer: what is said to it, and what it told. */
class Speaker {
  readonly interims: (readonly Word[])[] = [];
  readonly stream: RecognizerStream;
  /** End of what was written. */
  position = 0;

  constructor(lease: RecognizerLease) {
    this.stream = lease.openStream({ interim: (words) => this.interims.push(words), recovered: () => undefined });
  }

  async say(samples: Int16Array, frameSamples = FRAME_SAMPLES): Promise<void> {
    for (let offset = 0; offset < samples.length; offset += frameSamples) {
      const frame = samples.subarray(offset, offset + frameSamples);
      const startSample = this.position;
      this.position += frame.length;
      await this.stream.write({ kind: 'pcm', startSample, samples: frame });
    }
  }

  /** The interims with words, as soon as there is one. */
  async told(withinMs: number): Promise<(readonly Word[])[]> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      const told = this.interims.filter((words) => words.length > 0);
      if (told.length > 0 || performance.now() >= untilMs) return told;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Writes `samples` as one segment. */
  async segment(samples: Int16Array, frameSamples?: number): Promise<readonly Word[]> {
    this.stream.beginSegment(this.position);
    await this.say(samples, frameSamples);
    return this.stream.endSegment(this.position);
  }
}

/** Runs `body` with a speaker of its own session, and gives the place back whatever happens. */
async function speaking<T>({ recognizer }: RecognizerSubject, body: (speaker: Speaker, lease: RecognizerLease) => Promise<T>): Promise<T> {
  const lease = recognizer.admit('live');
  try {
    return await body(new Speaker(lease), lease);
  } finally {
    await lease.release();
  }
}

function assertWords(words: readonly Word[], startSample: number, endSample: number): void {
  assert.ok(words.length > 0, 'no words were heard');
  let last = startSample;
  for (const { text, startSample: start, endSample: end, confidence } of words) {
    assert.match(text, /^\S+$/);
    assert.ok(start >= last && end > start && end <= endSample, `"${text}" from ${start} to ${end}, in ${startSample} to ${endSample}`);
    assert.ok(confidence === undefined || (confidence >= 0 && confidence <= 1));
    last = start;
  }
}

const isBusy = (recognizer: Recognizer): number => recognizer.snapshot().activeSessions;

/** What every recognizer must do, whatever engine is in it. */
export const recognizerChecks: readonly RecognizerCheck[] = [
  {
    name: 'capabilities and snapshot are plausible',
    run: async ({ recognizer }) => {
      const { languages, maxSegmentSamples } = recognizer.capabilities;
      assert.ok(languages.length > 0 && languages.every((language) => /^[a-z]{2}$/.test(language)));
      assert.ok(maxSegmentSamples >= SAMPLE_RATE_HZ);
      const { ready, reason, activeSessions, maxSessions } = recognizer.snapshot();
      assert.deepEqual({ ready, reason, activeSessions }, { ready: true, reason: undefined, activeSessions: 0 });
      assert.ok(maxSessions >= SUBJECT_LIVE_SESSIONS);
    },
  },
  {
    name: 'speech is words, in order, inside their segment, with confidences only where they are promised',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        await speaker.say(SILENCE);
        const words = await speaker.segment(subject.speech);
        assertWords(words, SILENCE.length, speaker.position);
        const { wordConfidence } = subject.recognizer.capabilities;
        assert.ok(words.every(({ confidence }) => (confidence !== undefined) === wordConfidence));
      }),
  },
  {
    name: 'interims come while speech goes on, inside the segment, and without confidences',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        await speaker.say(SILENCE);
        await speaker.segment(subject.speech);
        speaker.stream.beginSegment(speaker.position);
        await speaker.say(subject.speech);
        const told = await speaker.told(subject.interimWithinMs);
        assert.equal(told.length > 0, subject.recognizer.capabilities.interims);
        for (const words of told) {
          assertWords(words, SILENCE.length, speaker.position);
          assert.ok(words.every((word) => word.confidence === undefined));
        }
      }),
  },
  {
    name: 'silence is no words',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        assert.deepEqual(await speaker.segment(SILENCE), []);
        assert.deepEqual(await speaker.segment(new Int16Array(0)), []);
        await speaker.segment(subject.speech);
        assert.deepEqual(await speaker.segment(SILENCE), []);
      }),
  },
  {
    name: 'speech outside segments is not heard',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        await speaker.say(subject.speech);
        await speaker.say(SILENCE);
        assert.deepEqual(await speaker.segment(SILENCE), []);
        assert.deepEqual(speaker.interims.filter((words) => words.length > 0), []);
      }),
  },
  {
    name: 'a segment may begin in the past',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        await speaker.say(SILENCE);
        const startSample = speaker.position;
        const speech = subject.speech.subarray(0, MAX_LOOK_BACK_SAMPLES);
        await speaker.say(speech);
        speaker.stream.beginSegment(startSample);
        assertWords(await speaker.stream.endSegment(speaker.position), startSample, speaker.position);
      }),
  },
  {
    name: 'a segment may end before what was written, and the next begins there',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        speaker.stream.beginSegment(0);
        await speaker.say(subject.speech);
        const cut = subject.speech.length;
        await speaker.say(SILENCE);
        const first = speaker.stream.endSegment(cut);
        speaker.stream.beginSegment(cut);
        assert.deepEqual(await speaker.stream.endSegment(speaker.position), []);
        assertWords(await first, 0, cut);
      }),
  },
  {
    name: 'positions stay true where the lane jumps ahead',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        await speaker.say(SILENCE);
        speaker.position += 3600 * SAMPLE_RATE_HZ;
        await speaker.say(SILENCE);
        const startSample = speaker.position;
        assertWords(await speaker.segment(subject.speech), startSample, speaker.position);
      }),
  },
  {
    name: 'the next segment may begin before the last has settled, and they settle in order',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        const settled: number[] = [];
        const segments: Promise<void>[] = [];
        for (let index = 0; index < 3; index += 1) {
          const startSample = speaker.position;
          speaker.stream.beginSegment(startSample);
          await speaker.say(index === 1 ? SILENCE : subject.speech);
          const endSample = speaker.position;
          segments.push(
            speaker.stream.endSegment(endSample).then((words) => {
              settled.push(index);
              if (index !== 1) assertWords(words, startSample, endSample);
            }),
          );
        }
        await Promise.all(segments);
        assert.deepEqual(settled, [0, 1, 2]);
      }),
  },
  {
    name: 'words do not depend on how the audio was cut into frames',
    run: async (subject) => {
      const results: (readonly Word[])[] = [];
      for (const frameSamples of [160, 512, 7919]) {
        results.push(
          await speaking(subject, async (speaker) => {
            await speaker.say(SILENCE, frameSamples);
            return [...(await speaker.segment(subject.speech, frameSamples)), ...(await speaker.segment(subject.speech, frameSamples))];
          }),
        );
      }
      assert.ok(textOf(results[0] ?? []) !== '');
      for (const words of results) assert.deepEqual(words, results[0]);
    },
  },
  {
    name: 'what is written faster than it is searched waits, and is all heard',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        const writes: Promise<void>[] = [];
        speaker.stream.beginSegment(0);
        for (let count = 0; count < 4; count += 1) writes.push(speaker.say(subject.speech, subject.speech.length));
        await Promise.all(writes);
        const words = await speaker.stream.endSegment(speaker.position);
        assertWords(words, 0, speaker.position);
        assert.ok((words.at(-1)?.endSample ?? 0) > 3 * subject.speech.length);
      }),
  },
  {
    name: 'speakers do not hear each other',
    run: (subject) =>
      speaking(subject, async (one, lease) => {
        const two = new Speaker(lease);
        const [heard, nothing] = await Promise.all([one.segment(subject.speech), two.segment(SILENCE)]);
        assertWords(heard, 0, one.position);
        assert.deepEqual([nothing, two.interims.filter((words) => words.length > 0)], [[], []]);
      }),
  },
  {
    name: 'close while it is busy resolves, gives up what was awaited, and nothing is told after it',
    run: (subject) =>
      speaking(subject, async (speaker) => {
        speaker.stream.beginSegment(0);
        const writing = speaker.say(subject.speech, subject.speech.length);
        const settled = speaker.stream.endSegment(subject.speech.length).then(
          () => 'settled',
          (error: unknown) => (error instanceof EarshotError ? error.code : 'some other error'),
        );
        const told = speaker.interims.length;
        await Promise.all([speaker.stream.close(), speaker.stream.close()]);
        assert.equal(await settled, 'SESSION_CONFLICT');
        await writing;
        await speaker.stream.write({ kind: 'pcm', startSample: speaker.position, samples: SILENCE });
        // Another speaker's words take longer than what was under way.
        await speaking(subject, (other) => other.segment(subject.speech));
        assert.equal(speaker.interims.length, told);
      }),
  },
  {
    name: 'nobody is admitted beyond the last place, and a place is free again once it is given back',
    run: async ({ recognizer }) => {
      const leases = Array.from({ length: SUBJECT_LIVE_SESSIONS }, () => recognizer.admit('live'));
      try {
        assert.equal(isBusy(recognizer), SUBJECT_LIVE_SESSIONS);
        assert.throws(
          () => recognizer.admit('live'),
          (error) => error instanceof EarshotError && error.code === 'CAPACITY_EXCEEDED' && (error.retryAfterSeconds ?? 0) > 0,
        );
        const { ready, reason } = recognizer.snapshot();
        assert.deepEqual([ready, typeof reason], [false, 'string']);
        await leases[0]?.release();
        assert.doesNotThrow(() => leases.push(recognizer.admit('live')));
      } finally {
        for (const lease of leases) await lease.release();
      }
      assert.equal(isBusy(recognizer), 0);
    },
  },
  {
    name: 'release closes what is open, and counts once',
    run: async (subject) => {
      const lease = subject.recognizer.admit('live');
      const other = subject.recognizer.admit('live');
      const speaker = new Speaker(lease);
      speaker.stream.beginSegment(0);
      await speaker.say(SILENCE);
      const settled = assert.rejects(speaker.stream.endSegment(speaker.position), { code: 'SESSION_CONFLICT' });
      await Promise.all([lease.release(), lease.release()]);
      await lease.release();
      await settled;
      assert.equal(isBusy(subject.recognizer), 1);
      await other.release();
      assert.equal(isBusy(subject.recognizer), 0);
    },
  },
];

/** Runs every check on one recognizer. */
export function recognizerConformance(name: string, make: () => Promise<RecognizerSubject>): void {
  describe(`${name} keeps the contract of recognizers`, () => {
    let subject: RecognizerSubject;
    before(async () => {
      subject = await make();
    });
    after(() => subject.recognizer.close());
    for (const check of recognizerChecks) test(check.name, () => check.run(subject));
  });
}
