import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { msToSamples } from '../../core/audio.ts';
import { ManualClock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES, type Recognizer, type RecognizerStream } from '../../core/recognizer.ts';
import { joined, loud, quiet, settle } from '../../core/testing/audio.ts';
import { FakeRecognizer } from '../../core/testing/fake-recognizer.ts';
import { textOf, type Word } from '../../core/transcript.ts';
import { recognizerChecks, recognizerConformance, SUBJECT_LIVE_SESSIONS } from '../conformance.ts';
import { FailoverLease, type FailoverTarget } from './failover.ts';

const STALL_MS = 1000;

interface FakeTarget extends FailoverTarget {
  readonly name: string;
  readonly recognizer: FakeRecognizer;
}

/** One lane over targets `a`, `b`, ..., with what it was told. */
function rig(options: { readonly targets?: number; readonly isUp?: (name: string) => boolean } = {}) {
  const clock = new ManualClock();
  const seen: string[] = [];
  const targets = Array.from({ length: options.targets ?? 2 }, (_, index): FakeTarget => {
    const name = 'abc'[index] ?? '?';
    return {
      name,
      recognizer: new FakeRecognizer(),
      isUp: () => options.isUp?.(name) ?? true,
      health: {
        alive: () => undefined,
        used: () => {
          seen.push(`${name} used`);
          return () => seen.push(`${name} left`);
        },
        settled: () => seen.push(`${name} settled`),
        failed: (error, isSilent) => seen.push(`${name} ${isSilent ? 'silent' : error.code}`),
      },
    };
  });
  const lease = new FailoverLease({ targets, clock, stallMs: STALL_MS }, 'live');
  const changes: string[] = [];
  lease.onChange(({ name }) => changes.push(name));
  const interims: string[] = [];
  const stream = lease.openStream({ interim: (words) => interims.push(textOf(words)), recovered: () => interims.push('recovered') });
  let position = 0;
  const say = async (samples: Int16Array): Promise<void> => {
    for (let offset = 0; offset < samples.length; offset += 512) {
      const frame = samples.subarray(offset, offset + 512);
      const startSample = position;
      position += frame.length;
      await stream.write({ kind: 'pcm', startSample, samples: frame });
    }
  };
  const [a, b] = targets.map(({ recognizer }) => recognizer);
  return { clock, lease, stream, seen, changes, interims, say, a: a!, b: b!, at: () => position };
}

describe('a recognizer that fails in the middle of speech', () => {
  test('is left for the next, which hears the whole segment; what was settled is not heard again', async () => {
    const { stream, say, a, b, at, changes, seen, lease, clock } = rig();
    stream.beginSegment(0);
    await say(loud(1000));
    assert.equal(textOf(await stream.endSegment(at())), 'w0 w1');
    await say(quiet(5000));
    stream.beginSegment(at());
    await say(loud(1500));
    a.fail();
    await say(loud(500));
    assert.equal(textOf(await stream.endSegment(at())), 'w12 w13 w14 w15');
    assert.deepEqual(changes, ['b']);
    assert.deepEqual(seen, ['a used', 'a settled', 'a BACKEND_ERROR', 'b used', 'a left', 'b settled']);
    assert.ok(b.writtenSamples <= msToSamples(2000) + MAX_LOOK_BACK_SAMPLES + 512, 'no more than what may be needed is replayed');
    await settle();
    assert.equal(a.snapshot().activeSessions, 0);
    await lease.release();
    assert.deepEqual([b.snapshot().activeSessions, a.openStreams, b.openStreams, clock.pendingTimers], [0, 0, 0, 0]);
  });

  test('gives back the segments that had ended too, in order', async () => {
    const { stream, say, a, at, changes } = rig();
    a.pause();
    stream.beginSegment(0);
    await say(loud(1000));
    const first = stream.endSegment(at());
    stream.beginSegment(at());
    await say(loud(500));
    const second = stream.endSegment(at());
    a.fail();
    assert.deepEqual([textOf(await first), textOf(await second)], ['w0 w1', 'w2']);
    assert.deepEqual(changes, ['b']);
  });

  test('is heard no more: what it still says is not passed on', async () => {
    const { stream, say, a, b, at, interims } = rig();
    stream.beginSegment(0);
    await say(loud(1000));
    b.pause();
    a.fail();
    await say(loud(500));
    const told = interims.length;
    a.recover(5);
    assert.equal(interims.length, told);
    b.resume();
    assert.equal(textOf(await stream.endSegment(at())), 'w0 w1 w2');
  });

  test('takes all lanes of its session along, as one change', async () => {
    const { lease, stream, say, a, at, changes } = rig();
    const other = lease.openStream({ interim: () => undefined, recovered: () => undefined });
    for (const each of [stream, other]) each.beginSegment(0);
    await say(loud(1000));
    await other.write({ kind: 'pcm', startSample: 0, samples: loud(500) });
    a.fail();
    await settle();
    assert.deepEqual([textOf(await stream.endSegment(at())), textOf(await other.endSegment(msToSamples(500)))], ['w0 w1', 'w0']);
    assert.deepEqual(changes, ['b']);
  });

  test('may be gone back to when the other fails, but not for the same segment', async () => {
    const { stream, say, a, b, at, changes } = rig();
    stream.beginSegment(0);
    await say(loud(500));
    a.fail();
    await settle();
    assert.equal(textOf(await stream.endSegment(at())), 'w0');
    stream.beginSegment(at());
    await say(loud(500));
    b.fail();
    await say(loud(500));
    assert.deepEqual(changes, ['b', 'a']);
    a.fail();
    await assert.rejects(stream.endSegment(at()), { code: 'BACKEND_ERROR' });
    await assert.rejects(say(loud(500)), { code: 'BACKEND_ERROR' });
    assert.deepEqual(changes, ['b', 'a']);
  });

  test('is not replaced by one that is down or full: then its own error is told', async () => {
    const down = rig({ isUp: (name) => name === 'a' });
    down.stream.beginSegment(0);
    await down.say(loud(500));
    down.a.fail();
    await assert.rejects(down.stream.endSegment(down.at()), { code: 'BACKEND_ERROR', message: /again and again/ });
    const full = rig();
    for (let count = 0; count < 4; count += 1) full.b.admit();
    full.stream.beginSegment(0);
    await full.say(loud(500));
    full.a.fail();
    await assert.rejects(full.stream.endSegment(full.at()), { code: 'BACKEND_ERROR' });
    assert.deepEqual(full.changes, []);
  });
});

describe('a recognizer that falls silent', () => {
  test('with an ended segment is left at the deadline and not before', async () => {
    const { stream, say, a, at, clock, changes, seen } = rig();
    stream.beginSegment(0);
    await say(loud(500));
    a.pause();
    const words = stream.endSegment(at());
    await settle();
    clock.advance(STALL_MS - 1);
    await settle();
    assert.deepEqual(changes, []);
    clock.advance(1);
    assert.equal(textOf(await words), 'w0');
    assert.deepEqual(changes, ['b']);
    assert.ok(seen.includes('a silent'));
  });

  test('that takes no more audio is left too, and the waiting write goes on', async () => {
    const { stream, say, a, at, clock, changes } = rig();
    stream.beginSegment(0);
    a.pause();
    const saying = say(loud(4000));
    await settle();
    clock.advance(STALL_MS);
    await saying;
    assert.deepEqual(changes, ['b']);
    assert.equal(textOf(await stream.endSegment(at())), 'w0 w1 w2 w3 w4 w5 w6 w7');
  });

  test('while nothing is awaited is not suspected: nobody speaks', async () => {
    const { say, a, clock, changes } = rig();
    await say(quiet(500));
    a.pause();
    await say(quiet(500));
    for (let count = 0; count < 10; count += 1) clock.advance(STALL_MS);
    await settle();
    assert.deepEqual(changes, []);
  });

  for (const [sign, give] of [
    ['tells that it recovered', (inner: FakeRecognizer) => inner.recover(1)],
    ['says that it is at work', (inner: FakeRecognizer) => inner.work()],
  ] as const) {
    test(`but ${sign} is alive`, async () => {
      const { stream, say, at, clock, changes, lease } = rig();
      const inner = lease.target.recognizer;
      stream.beginSegment(0);
      await say(loud(500));
      inner.pause();
      const words = stream.endSegment(at());
      await settle();
      for (let count = 0; count < 5; count += 1) {
        clock.advance(STALL_MS - 1);
        give(inner);
        await settle();
      }
      assert.deepEqual(changes, []);
      inner.resume();
      assert.equal(textOf(await words), 'w0');
    });
  }

  test('and is all there is may still answer late; after five deadlines it is given up', async () => {
    const late = rig({ targets: 1 });
    late.stream.beginSegment(0);
    await late.say(loud(500));
    late.a.pause();
    const words = late.stream.endSegment(late.at());
    await settle();
    for (let count = 0; count < 4; count += 1) late.clock.advance(STALL_MS);
    late.a.resume();
    assert.equal(textOf(await words), 'w0');
    const never = rig({ targets: 1 });
    never.stream.beginSegment(0);
    await never.say(loud(500));
    never.a.pause();
    const given = assert.rejects(never.stream.endSegment(never.at()), { code: 'BACKEND_TIMEOUT' });
    await settle();
    for (let count = 0; count < 5; count += 1) never.clock.advance(STALL_MS);
    await given;
    await never.lease.release();
    assert.deepEqual([never.clock.pendingTimers, never.a.openStreams], [0, 0]);
  });

  test('like all others is given up too, and not tried for ever', async () => {
    const { stream, say, a, b, at, clock, changes } = rig();
    a.pause();
    b.pause();
    stream.beginSegment(0);
    await say(loud(500));
    const given = assert.rejects(stream.endSegment(at()), { code: 'BACKEND_TIMEOUT' });
    for (let count = 0; count < 20; count += 1) {
      await settle();
      clock.advance(STALL_MS / 2);
    }
    await given;
    assert.ok(changes.length <= 5 && changes.includes('b'), changes.join());
  });
});

test('the first target that takes the session has it, and a refusal of all tells the shortest wait', () => {
  const full = (retryAfterSeconds: number): Recognizer =>
    Object.assign(new FakeRecognizer(), {
      admit: () => {
        throw new EarshotError('CAPACITY_EXCEEDED', 'Full.', { retryAfterSeconds });
      },
    });
  const target = (recognizer: Recognizer): FailoverTarget => ({ recognizer, isUp: () => true });
  const open = (...recognizers: readonly Recognizer[]) => new FailoverLease({ targets: recognizers.map(target), clock: new ManualClock() }, 'live');
  const free = new FakeRecognizer();
  assert.equal(open(full(9), free).target.recognizer, free);
  assert.throws(
    () => open(full(9), full(3)),
    (error) => error instanceof EarshotError && error.code === 'CAPACITY_EXCEEDED' && error.retryAfterSeconds === 3,
  );
});

/** The words of a lane that speaks `pattern` (half seconds, loud or not; a segment is a run of loud ones), with faults injected. */
async function transcript(pattern: readonly boolean[], faults: readonly { readonly at: number; readonly kind: 'fail' | 'silence' }[]): Promise<Word[]> {
  const { stream, say, a, b, at, clock, lease } = rig();
  const words: Promise<readonly Word[]>[] = [];
  const present = (): FakeRecognizer => lease.target.recognizer;
  for (const [index, isLoud] of [...pattern, false].entries()) {
    if (isLoud && pattern[index - 1] !== true) stream.beginSegment(at());
    if (!isLoud && pattern[index - 1] === true) {
      words.push(stream.endSegment(at()));
      await settle();
    }
    for (const fault of faults.filter((each) => each.at === index)) {
      if (fault.kind === 'fail') present().fail();
      else present().pause();
    }
    const saying = say(isLoud ? loud(500) : quiet(500));
    await settle();
    // Whoever is silent is left, and well again afterwards.
    clock.advance(STALL_MS);
    await settle();
    for (const each of [a, b]) each.resume();
    await saying;
  }
  const settled = await Promise.all(words);
  await lease.release();
  return settled.flat();
}

test('whatever fails and when, no word is lost and none comes twice', async () => {
  const patterns = fc.array(fc.boolean(), { minLength: 1, maxLength: 16 });
  const faults = fc.array(fc.record({ at: fc.nat(16), kind: fc.constantFrom('fail' as const, 'silence' as const) }), { maxLength: 4 });
  // One between two settled segments: more may use up both recognizers.
  const settledBefore = (pattern: readonly boolean[], at: number): number => pattern.filter((isLoud, index) => isLoud && index < at && pattern[index + 1] !== true).length;
  const spread = fc.tuple(patterns, faults).map(([pattern, list]) => {
    const groups = list.map(({ at }) => settledBefore(pattern, at));
    return [pattern, list.filter((_, index) => groups.indexOf(groups[index]!) === index)] as const;
  });
  await fc.assert(
    fc.asyncProperty(spread, async ([pattern, list]) => {
      assert.deepEqual(await transcript(pattern, list), await transcript(pattern, []));
    }),
    { numRuns: 150 },
  );
});

/** As a recognizer of its own, with as many places as its targets have together. */
function failing(targets: readonly Recognizer[], clock = new ManualClock()): Recognizer {
  const snapshots = () => targets.map((target) => target.snapshot());
  return {
    id: 'failover',
    capabilities: targets[0]!.capabilities,
    snapshot: () => {
      const ready = snapshots().some((each) => each.ready);
      const sum = (of: 'activeSessions' | 'maxSessions'): number => snapshots().reduce((total, each) => total + each[of], 0);
      return { ready, ...(!ready && { reason: 'all are taken' }), activeSessions: sum('activeSessions'), maxSessions: sum('maxSessions'), restarts: 0 };
    },
    admit: (priority) => new FailoverLease({ targets: targets.map((recognizer) => ({ recognizer, isUp: () => true })), clock }, priority),
    close: async () => {
      for (const target of targets) await target.close();
    },
  };
}

/** A fake whose streams break in the middle of their second segment. */
function breaksSoon(recognizer: FakeRecognizer): Recognizer {
  const wrapped = (stream: RecognizerStream): RecognizerStream => {
    let segments = 0;
    let writes = 0;
    return {
      write: async (frame) => {
        if (segments > 1) writes += 1;
        if (writes > 2) throw new EarshotError('BACKEND_ERROR', 'Broken.');
        await stream.write(frame);
      },
      beginSegment: (startSample) => {
        segments += 1;
        stream.beginSegment(startSample);
      },
      endSegment: (endSample) => stream.endSegment(endSample),
      close: () => stream.close(),
    };
  };
  return {
    id: recognizer.id,
    capabilities: recognizer.capabilities,
    snapshot: () => recognizer.snapshot(),
    admit: () => {
      const lease = recognizer.admit();
      return { openStream: (sink) => wrapped(lease.openStream(sink)), release: () => lease.release() };
    },
    close: () => recognizer.close(),
  };
}

const FAKE_SPEECH = joined(quiet(200), loud(1500), quiet(300));
const places = (maxSessions: number): FakeRecognizer => new FakeRecognizer({ maxSessions });

recognizerConformance('a failover whose first choice has one place', async () => ({
  recognizer: failing([places(1), places(SUBJECT_LIVE_SESSIONS - 1)]),
  speech: FAKE_SPEECH,
  interimWithinMs: 0,
}));

describe('a failover whose first choice breaks in each session keeps the contract for streams', () => {
  for (const check of recognizerChecks.filter(({ name }) => !/place|plausible|counts once/.test(name))) {
    test(check.name, async () => {
      const recognizer = failing([breaksSoon(places(10)), places(10)]);
      await check.run({ recognizer, speech: FAKE_SPEECH, interimWithinMs: 0 });
      await recognizer.close();
    });
  }
});
