import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../src/core/clock.ts';
import { Sessions } from '../src/core/session/sessions.ts';
import { eventually } from '../src/core/testing/eventually.ts';
import { joined, loud, quiet, settle } from '../src/core/testing/audio.ts';
import { placesAt } from '../src/core/testing/fake-backend.ts';
import { FakeDetectors } from '../src/core/testing/fake-detector.ts';
import { FakeRecognizer } from '../src/core/testing/fake-recognizer.ts';
import { GladiaConversation } from './dialects/gladia.ts';
import { GLADIA_INIT } from './dialects/gladia-init.ts';
import type { Companion } from './resumable-conversation.ts';
import { ResumableStream } from './resumable-stream.ts';
import { FakeConnection } from './testing/fake-connection.ts';
import { bytesOf, rawDecoder } from './testing/raw-decoder.ts';

const STOP = { type: 'stop_recording' };
/** Two words, a pause, two words. */
const TALK = bytesOf(joined(loud(1000), quiet(1000), loud(1000), quiet(500)));

/** Loud, and never twice the same. */
function noise(ms: number): Int16Array {
  let state = ms;
  return Int16Array.from({ length: ms * 16 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state & 1 ? 1 : -1) * (8000 + (state >>> 20));
  });
}
const SPEECH = bytesOf(joined(noise(1000), quiet(1000), noise(1001), quiet(500)));

function rig(companion?: Companion) {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer({ maxSessions: 1 });
  const sessions = new Sessions({ clock, createId: () => 'ses_1', createDetector: new FakeDetectors().create });
  const session = sessions.create({ tenantId: 'tenant', admit: placesAt(recognizer), limits: { maxIdleMs: 600_000 }, endpointing: { endpointMs: 700 } });
  const faults: string[] = [];
  const taken: number[] = [];
  const conversation = new GladiaConversation({ sessionId: 'S', init: GLADIA_INIT.parse({}), language: () => 'en', now: () => 0 });
  const stream = new ResumableStream({
    conversation,
    session,
    format: { container: 'raw' },
    frameBytes: 2,
    acknowledging: true,
    decode: rawDecoder,
    clock,
    onFault: (error) => faults.push(error.code),
    onAudio: (bytes) => taken.push(bytes.length),
    ...(companion && { companion }),
  });
  const join = (confirms = true): FakeConnection => {
    const connection = new FakeConnection();
    connection.confirms = confirms;
    void stream.attach(connection);
    return connection;
  };
  const takenBytes = (): number => taken.reduce((sum, bytes) => sum + bytes, 0);
  return { clock, session, stream, join, faults, takenBytes };
}

const finals = (...connections: readonly FakeConnection[]): string[] =>
  connections.flatMap(({ sent }) => sent.flatMap((frame) => (frame['type'] === 'transcript' ? [(frame['data'] as { utterance: { text: string } }).utterance.text] : [])));
const acks = ({ sent }: FakeConnection): unknown[] => sent.flatMap((frame) => (frame['type'] === 'audio_chunk' ? [(frame['data'] as { byte_range: unknown }).byte_range] : []));

test('a session on one connection: heard, answered, closed with 1000', async () => {
  const { stream, join, faults } = rig();
  const connection = join();
  connection.say(TALK, STOP);
  await stream.over;
  assert.deepEqual(finals(connection), [' w0 w1', ' w4 w5']);
  assert.deepEqual(acks(connection), [[0, TALK.length]]);
  assert.deepEqual([connection.closeCode, faults, connection.types.at(-1)], [1000, [], 'post_final_transcript']);
});

test('of acknowledgements the client is asked for several together whether they came, of words at once', async () => {
  const { join } = rig();
  const connection = join();
  for (let piece = 0; piece < 40; piece += 1) {
    connection.say(bytesOf(noise(1).map((sample) => sample >> 12)));
    await settle();
  }
  assert.deepEqual([acks(connection).length, connection.asked], [40, 2]);
  connection.say(bytesOf(quiet(20)));
  await settle();
  assert.equal(connection.asked, 3, 'silence would be mistaken for its repetition');
  connection.say(TALK);
  await connection.received('transcript');
  await eventually(() => connection.asked >= 4);
});

test('what is repeated after a lost connection is heard once', async () => {
  const { stream, join, takenBytes } = rig();
  const first = join(false);
  first.say(TALK.subarray(0, 40_000));
  await first.received('audio_chunk');
  first.leave();
  const second = join();
  second.say(TALK, STOP);
  await stream.over;
  assert.equal(takenBytes(), TALK.length);
  assert.deepEqual(finals(first, second), [' w0 w1', ' w4 w5']);
  assert.deepEqual(acks(second), [[40_000, TALK.length]]);
});

test('cut before an acknowledgement: all of it comes again, and is heard once', async () => {
  const { stream, join, takenBytes } = rig();
  const first = join(false);
  // Half a sample: nothing that could be acknowledged.
  first.say(SPEECH.subarray(0, 1));
  first.leave();
  await settle();
  assert.deepEqual(acks(first), []);
  const second = join();
  second.say(SPEECH, STOP);
  await stream.over;
  assert.equal(takenBytes(), SPEECH.length);
  assert.deepEqual(finals(second), [' w0 w1', ' w4 w5']);
});

test('cut twice in a second, each time with an acknowledgement that never arrived', async () => {
  const { clock, stream, join, takenBytes } = rig();
  const connections = [join(false)];
  connections[0]!.say(SPEECH.subarray(0, 30_000));
  await connections[0]!.received('audio_chunk');
  for (const upTo of [50_000, 70_000]) {
    connections.at(-1)!.leave();
    clock.advance(400);
    const next = join(false);
    connections.push(next);
    next.say(SPEECH.subarray(0, upTo));
    await next.received('audio_chunk');
  }
  connections.at(-1)!.leave();
  const last = join();
  last.say(SPEECH, STOP);
  await stream.over;
  assert.equal(takenBytes(), SPEECH.length);
  assert.deepEqual([...new Set(finals(...connections, last))], [' w0 w1', ' w4 w5']);
  assert.equal(last.closeCode, 1000);
});

test('cut while the last is worked out: the rest comes on the next connection, however many there were', async () => {
  const gate = Promise.withResolvers<void>();
  const heard: string[] = [];
  const { clock, stream, session, join } = rig({ heard: ({ type }) => heard.push(type), settled: () => gate.promise });
  const first = join();
  first.say(TALK, STOP);
  await session.closed;
  first.leave();
  join().leave();
  const third = join();
  await settle();
  clock.advance(300);
  assert.equal(third.closeCode, undefined);
  stream.say(['{"type":"post_thought"}']);
  gate.resolve();
  await stream.over;
  assert.deepEqual([third.types.slice(-3), third.closeCode, heard.at(-1)], [['post_thought', 'post_transcript', 'post_final_transcript'], 1000, 'session.closed']);
});

test('three hours are the longest: then a session ends with what was heard, and a code after which nobody comes back', async () => {
  const { clock, session, stream, join, faults } = rig();
  const connection = join();
  connection.say(TALK);
  await eventually(() => finals(connection).length === 1);
  const step = 50_000;
  for (let atMs = 0; atMs < 3 * 3600_000 - step; atMs += step) {
    connection.say(bytesOf(quiet(20)));
    await settle();
    clock.advance(step);
  }
  assert.equal(session.state, 'open');
  connection.say(bytesOf(quiet(20)));
  await settle();
  clock.advance(step);
  await stream.over;
  assert.deepEqual([connection.closeCode, faults], [4408, ['SESSION_TOO_LONG']]);
  assert.ok(finals(connection).length >= 1);
});

test('messages wait for a connection, and those that were sent in vain come again', async () => {
  const { clock, stream, join } = rig();
  const first = join(false);
  first.say(TALK);
  await eventually(() => finals(first).length === 1);
  first.leave();
  await settle();
  const second = join();
  second.say(STOP);
  await settle();
  clock.advance(300);
  await stream.over;
  assert.deepEqual(finals(second), [' w0 w1', ' w4 w5']);
});

test('what the client repeats tells which messages it has', async () => {
  const { clock, stream, join } = rig();
  const first = join(false);
  first.say(TALK);
  await eventually(() => finals(first).length === 1);
  first.say(bytesOf(loud(20)));
  await eventually(() => acks(first).length === 2);
  first.leave();
  const second = join();
  // It has seen the last acknowledgement, and so the final before it.
  second.say(bytesOf(Int16Array.from({ length: 320 }, (_, index) => index)), STOP);
  await settle();
  clock.advance(300);
  await stream.over;
  assert.deepEqual(finals(second).filter((text) => text === ' w0 w1'), []);
});

test('a newer connection takes the place of the older', async () => {
  const { stream, join } = rig();
  const first = join();
  const second = join();
  assert.equal(first.closeCode, 4409);
  second.say(STOP);
  await stream.over;
  assert.equal(second.closeCode, 1000);
});

test('a client that stopped and was cut off fetches the end; one that never comes is not waited for', async () => {
  for (const comes of [true, false]) {
    const { clock, stream, join, session } = rig();
    const first = join(false);
    first.say(TALK, STOP);
    await session.closed;
    first.leave();
    await stream.ended;
    if (comes) {
      const second = join();
      await settle();
      clock.advance(300);
      await stream.over;
      assert.deepEqual([second.types.at(-1), second.closeCode], ['post_final_transcript', 1000]);
    } else {
      await settle();
      clock.advance(60_000);
      await stream.over;
    }
    assert.equal(clock.pendingTimers, 0);
  }
});

for (const [name, code, ms] of [
  ['a close with 1000 ends the recording at once', 1000, 0],
  ['a client that goes away is waited for shortly', 1001, 5000],
  ['a lost client is waited for', 1006, 60_000],
] as const) {
  test(`${name}, and what it said is heard`, async () => {
    const { clock, stream, session, join, takenBytes } = rig();
    const first = join();
    first.say(TALK);
    await first.received('audio_chunk');
    first.leave(code);
    await settle();
    if (ms > 0) {
      clock.advance(ms - 1);
      assert.equal(session.state, 'open');
      clock.advance(1);
    }
    await stream.ended;
    await settle();
    assert.equal(takenBytes(), TALK.length);
    clock.advance(60_000);
    await stream.over;
  });
}

test('a session that nobody joins, and one whose client falls silent, end by themselves', async () => {
  for (const joins of [false, true]) {
    const { clock, stream, session, join } = rig();
    if (joins) join();
    clock.advance(joins ? 60_000 : 120_000);
    await session.closed;
    await stream.ended;
    clock.advance(60_000);
    await stream.over;
  }
});

test('what breaks the session is told by the close code', async () => {
  const { stream, join, faults } = rig();
  const connection = join();
  connection.say(Buffer.from('BAD audio.'));
  await stream.over;
  assert.deepEqual([connection.closeCode, faults], [4415, ['AUDIO_UNSUPPORTED']]);
});
