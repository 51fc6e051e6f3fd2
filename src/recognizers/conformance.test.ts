import assert from 'node:assert/strict';
import test from 'node:test';
import type { PcmFrame } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import type { Recognizer, RecognizerLease, RecognizerSink, RecognizerStream } from '../core/recognizer.ts';
import type { Word } from '../core/transcript.ts';
import { joined, loud, quiet } from '../core/testing/audio.ts';
import { FakeRecognizer } from '../core/testing/fake-recognizer.ts';
import { spoken } from '../core/testing/spoken.ts';
import { recognizerChecks, recognizerConformance, SUBJECT_LIVE_SESSIONS } from './conformance.ts';
import { PocketSphinx } from './pocketsphinx.ts';

const FAKE_SPEECH = joined(quiet(200), loud(1500), quiet(300));

recognizerConformance('the fake', async () => ({ recognizer: new FakeRecognizer({ maxSessions: SUBJECT_LIVE_SESSIONS }), speech: FAKE_SPEECH, interimWithinMs: 0 }));

recognizerConformance('PocketSphinx', async () => {
  const recognizer = new PocketSphinx({
    modelFolder: '/usr/share/pocketsphinx/model/en-us',
    processes: 1,
    maxLiveSessions: SUBJECT_LIVE_SESSIONS,
    maxBatchSessions: 1,
    onEngineExit: () => undefined,
    onEngineStartFailed: () => undefined,
  });
  await recognizer.ready('live');
  await recognizer.ready('batch');
  return { recognizer, speech: spoken('Four score and seven years ago.'), interimWithinMs: 20_000 };
});

/** The fake with one fault. */
interface Fault {
  /** The check that must see it. */
  readonly caughtBy: RegExp;
  readonly maxSessions?: number;
  readonly admit?: (recognizer: Recognizer) => RecognizerLease;
  readonly lease?: (lease: RecognizerLease) => RecognizerLease;
  readonly sink?: (sink: RecognizerSink) => RecognizerSink;
  readonly stream?: (stream: RecognizerStream) => Partial<RecognizerStream>;
}

const moved = (words: readonly Word[], by: number): Word[] => words.map((word) => ({ ...word, startSample: word.startSample + by, endSample: word.endSample + by }));

const FAULTS: Readonly<Record<string, Fault>> = {
  'confidences that are made up for interims': {
    caughtBy: /^interims come/,
    sink: (sink) => ({ ...sink, interim: (words) => sink.interim(words.map((word) => ({ ...word, confidence: 1 }))) }),
  },
  'no interims though it promises them': { caughtBy: /^interims come/, sink: (sink) => ({ ...sink, interim: () => undefined }) },
  'no confidences though it promises them': {
    caughtBy: /^speech is words/,
    stream: (stream) => ({ endSegment: async (end) => (await stream.endSegment(end)).map(({ text, startSample, endSample }) => ({ text, startSample, endSample })) }),
  },
  'words counted from their segment instead of the lane': {
    caughtBy: /^speech is words/,
    stream: (stream) => {
      let start = 0;
      return {
        beginSegment: (at) => {
          start = at;
          stream.beginSegment(at);
        },
        endSegment: async (end) => moved(await stream.endSegment(end), -start),
      };
    },
  },
  'words that reach beyond their segment': {
    caughtBy: /^a segment may end before/,
    stream: (stream) => ({ endSegment: async (end) => (await stream.endSegment(end)).map((word) => ({ ...word, endSample: word.endSample + 16_000 })) }),
  },
  'words where there is silence': {
    caughtBy: /^silence is no words/,
    stream: (stream) => ({ endSegment: async (end) => [...(await stream.endSegment(end)), { text: 'uh', startSample: end - 1, endSample: end, confidence: 0.1 }] }),
  },
  'deafness to what was written before the segment': {
    caughtBy: /^a segment may begin in the past/,
    stream: (stream) => {
      let written = 0;
      return {
        write: (frame) => {
          written = frame.startSample + frame.samples.length;
          return stream.write(frame);
        },
        beginSegment: () => stream.beginSegment(written),
      };
    },
  },
  'times that ignore a jump of the lane': {
    caughtBy: /^positions stay true/,
    stream: (stream) => {
      let fed = 0;
      return {
        write: (frame: PcmFrame) => {
          const startSample = fed;
          fed += frame.samples.length;
          return stream.write({ ...frame, startSample });
        },
        beginSegment: (at) => stream.beginSegment(Math.min(at, fed)),
        endSegment: (end) => stream.endSegment(Math.min(end, fed)),
      };
    },
  },
  'segments that settle as they like': {
    caughtBy: /^the next segment may begin/,
    stream: (stream) => {
      const first = Promise.withResolvers<void>();
      let ended = 0;
      return {
        endSegment: async (end) => {
          ended += 1;
          const number = ended;
          const words = await stream.endSegment(end);
          if (number === 1) await first.promise;
          else first.resolve();
          return words;
        },
      };
    },
  },
  'words that depend on the frames': {
    caughtBy: /^words do not depend/,
    stream: (stream) => ({ write: (frame) => stream.write(frame.samples.length > 1000 ? { ...frame, samples: frame.samples.map((sample) => sample >> 4) } : frame) }),
  },
  'a full queue that drops audio': {
    caughtBy: /^what is written faster/,
    stream: (stream) => {
      let writing = 0;
      return {
        write: async (frame) => {
          writing += 1;
          await stream.write(writing > 2 ? { ...frame, samples: new Int16Array(frame.samples.length) } : frame);
          await new Promise((resolve) => setImmediate(resolve));
          writing -= 1;
        },
      };
    },
  },
  'words given up as if there had been none': {
    caughtBy: /^close while it is busy/,
    stream: (stream) => ({ endSegment: (end) => stream.endSegment(end).catch(() => []) }),
  },
  'a word after the end': {
    caughtBy: /^close while it is busy/,
    sink: (sink) => {
      lastSink = sink;
      return sink;
    },
    stream: (stream) => ({
      close: async () => {
        const sink = lastSink;
        await stream.close();
        sink?.interim([]);
      },
    }),
  },
  'no limit': { caughtBy: /^nobody is admitted/, maxSessions: 100 },
  'a refusal that does not say when to come back': {
    caughtBy: /^nobody is admitted/,
    admit: (recognizer) => {
      try {
        return recognizer.admit('live');
      } catch {
        throw new EarshotError('CAPACITY_EXCEEDED', 'Full.');
      }
    },
  },
  'a place that is lost when it is given back': { caughtBy: /^nobody is admitted/, lease: (lease) => ({ ...lease, release: async () => undefined }) },
  'streams that outlive their place': {
    caughtBy: /^release closes/,
    lease: (lease) => ({ openStream: (sink) => ({ ...delegate(lease.openStream(sink)), endSegment: () => Promise.resolve([]) }), release: () => lease.release() }),
  },
};

let lastSink: RecognizerSink | undefined;

const delegate = (stream: RecognizerStream): RecognizerStream => ({
  write: (frame) => stream.write(frame),
  beginSegment: (start) => stream.beginSegment(start),
  endSegment: (end) => stream.endSegment(end),
  close: () => stream.close(),
});

function faulty(fault: Fault): Recognizer {
  const recognizer: Recognizer = new FakeRecognizer({ maxSessions: fault.maxSessions ?? SUBJECT_LIVE_SESSIONS });
  return {
    id: 'faulty',
    capabilities: recognizer.capabilities,
    snapshot: () => recognizer.snapshot(),
    admit: (priority) => {
      const lease = fault.admit?.(recognizer) ?? recognizer.admit(priority);
      const opening: RecognizerLease = {
        openStream: (sink) => {
          const stream = lease.openStream(fault.sink?.(sink) ?? sink);
          return { ...delegate(stream), ...fault.stream?.(stream) };
        },
        release: () => lease.release(),
      };
      return fault.lease?.(opening) ?? opening;
    },
    close: () => recognizer.close(),
  };
}

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`the suite rejects a recognizer with ${name}`, async () => {
    const check = recognizerChecks.find((candidate) => fault.caughtBy.test(candidate.name)) ?? assert.fail();
    await assert.rejects(check.run({ recognizer: faulty(fault), speech: FAKE_SPEECH, interimWithinMs: 0 }), { name: 'AssertionError' });
  });
}
