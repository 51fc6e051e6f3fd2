import assert from 'node:assert/strict';
import test from 'node:test';
import type { AudioDecoder } from '../src/core/audio.ts';
import { ManualClock } from '../src/core/clock.ts';
import type { EarshotError } from '../src/core/errors.ts';
import type { Session } from '../src/core/session/session.ts';
import { Sessions } from '../src/core/session/sessions.ts';
import type { NumberedEvent } from '../src/core/transcript.ts';
import { joined, loud, quiet, settle } from '../src/core/testing/audio.ts';
import { placesAt } from '../src/core/testing/fake-backend.ts';
import { FakeDetectors } from '../src/core/testing/fake-detector.ts';
import { FakeRecognizer } from '../src/core/testing/fake-recognizer.ts';
import type { Command, Conversation } from './dialects/dialect.ts';
import { ScaiEchoConversation } from './dialects/scaiecho.ts';
import { serveControl, serveStream } from './gateway.ts';
import { FakeConnection } from './testing/fake-connection.ts';
import { bytesOf, rawDecoder } from './testing/raw-decoder.ts';

const systemTimers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

function rig(options: { readonly decode?: AudioDecoder; readonly maxSessions?: number } = {}) {
  const timersBefore = systemTimers();
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer({ maxSessions: options.maxSessions ?? 4 });
  const detectors = new FakeDetectors();
  let ids = 0;
  const sessions = new Sessions({ clock, createId: () => `ses_${String((ids += 1))}`, createDetector: detectors.create });
  const connection = new FakeConnection();
  const faults: string[] = [];
  const opened: Session[] = [];
  const served = serveStream(connection, new ScaiEchoConversation(), {
     
    openSession: async (request) => {
      const session = sessions.create({ ...request, tenantId: 'tenant', admit: placesAt(recognizer) });
      opened.push(session);
      return session;
    },
    decode: options.decode ?? rawDecoder,
    onFault: (error: EarshotError) => faults.push(error.code),
  });
  /** What holds once a stream is over, however it ended. */
  const over = async (): Promise<NumberedEvent | undefined> => {
    await served;
    await Promise.all(opened.map((session) => session.closed));
    await settle();
    assert.deepEqual([sessions.size, recognizer.snapshot().activeSessions, clock.pendingTimers], [0, 0, 0]);
    assert.equal(detectors.closed, detectors.made);
    assert.equal(systemTimers(), timersBefore);
    let last: NumberedEvent | undefined;
    for await (const event of opened[0]?.events() ?? []) last = event;
    return last;
  };
  return { clock, recognizer, sessions, connection, faults, opened, served, over };
}

const OPEN = { type: 'open', media_type: 'audio/pcm' };
const CLOSE = { type: 'close' };
const texts = (connection: FakeConnection): unknown[] => connection.sent.filter((frame) => frame['is_final'] === true).map((frame) => frame['text']);

test('open, audio, close: ready first, then deltas, then closed and 1000', async () => {
  const { connection, over, faults } = rig();
  connection.say(OPEN);
  assert.deepEqual(await connection.received('ready'), { type: 'ready', session_id: 'ses_1', backend_used: 'A', model: 'fake-model' });
  connection.say(bytesOf(joined(loud(1000), quiet(1000))), bytesOf(loud(500)), CLOSE);
  await over();
  assert.deepEqual(texts(connection), ['w0 w1', 'w4']);
  assert.equal(connection.types[0], 'ready');
  assert.equal(connection.sent.at(-1)?.['type'], 'closed');
  assert.equal(connection.sent.at(-1)?.['audio_bytes'], 2500 * 32);
  assert.deepEqual([connection.closeCode, faults], [1000, []]);
});

test('audio that comes before ready is heard', async () => {
  const { connection, over } = rig();
  connection.say(OPEN, bytesOf(loud(1000)), CLOSE);
  await over();
  assert.deepEqual(texts(connection), ['w0 w1']);
});

test('a recording that tells its length ends before its client does: the session is open until then, and what comes in between is no audio', async () => {
  const speech = bytesOf(joined(loud(1000), quiet(1000)));
  async function* recording(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of bytes) {
      yield chunk;
      return;
    }
  }
  const { connection, opened, over } = rig({ decode: (bytes, ...rest) => rawDecoder(recording(bytes), ...rest) });
  connection.say(OPEN, speech);
  await opened[0]?.settled();
  await settle();
  assert.deepEqual([texts(connection), opened[0]?.state, connection.closeCode], [['w0 w1'], 'open', undefined]);
  connection.say(Buffer.from('LIST of tags'), CLOSE);
  const last = await over();
  assert.deepEqual([connection.closeCode, last?.type === 'session.closed' && last.reason], [1000, 'finished']);

  const gone = rig({ decode: (bytes, ...rest) => rawDecoder(recording(bytes), ...rest) });
  gone.connection.say(OPEN, speech);
  await gone.connection.received('delta');
  gone.connection.leave();
  const end = await gone.over();
  assert.equal(end?.type === 'session.closed' && end.reason, 'abandoned');
});

test('a client that vanishes in the middle of a word is heard to its last sample, and leaves nothing behind', async () => {
  const { connection, over } = rig();
  connection.say(OPEN, bytesOf(loud(1000)));
  await connection.received('ready');
  connection.leave();
  const last = await over();
  assert.ok(last?.type === 'session.closed');
  assert.deepEqual([last.reason, last.lanes[0]?.heardSamples], ['abandoned', 16_000]);
});

test('a client that asked for the end and did not wait for it has finished all the same', async () => {
  const { connection, over } = rig();
  connection.say(OPEN, bytesOf(loud(1000)), CLOSE);
  connection.leave();
  const last = await over();
  assert.ok(last?.type === 'session.closed');
  assert.equal(last.reason, 'finished');
});

test('a client that vanishes before open leaves nothing behind', async () => {
  const { connection, over, opened } = rig();
  connection.leave();
  await over();
  assert.deepEqual([opened, connection.sent], [[], []]);
});

test('a full house is told before any audio flows', async () => {
  const { connection, over, faults } = rig({ maxSessions: 0 });
  connection.say(OPEN, bytesOf(loud(1000)));
  await over();
  assert.deepEqual(connection.sent, [{ type: 'error', code: 'CAPACITY_EXCEEDED', message: 'Every recognizer is taken.', retry_after: 5 }]);
  assert.deepEqual([connection.closeCode, faults], [1013, ['CAPACITY_EXCEEDED']]);
});

test('what is no audio is told, and the place is free again', async () => {
  const { connection, over, faults } = rig();
  connection.say(OPEN, Buffer.from('BAD!'));
  await over();
  assert.deepEqual(connection.types, ['ready', 'error']);
  assert.deepEqual([connection.closeCode, faults], [1003, ['AUDIO_UNSUPPORTED']]);
});

test('close without a byte of audio is an error of the audio', async () => {
  const { connection, over } = rig();
  connection.say(OPEN, CLOSE);
  await over();
  assert.deepEqual([connection.sent.at(-1)?.['code'], connection.closeCode], ['AUDIO_EMPTY', 1003]);
});

test('a message that the protocol does not allow ends the session at once', async () => {
  const { connection, over } = rig();
  connection.say(OPEN, bytesOf(loud(1000)));
  await connection.received('ready');
  connection.say(OPEN);
  const last = await over();
  assert.deepEqual([connection.sent.at(-1)?.['code'], connection.closeCode], ['MESSAGE_MALFORMED', 1003]);
  assert.ok(last?.type === 'session.closed');
  assert.equal(last.error?.code, 'MESSAGE_MALFORMED');
});

test('an engine that fails is told, and nothing is told after it', async () => {
  const { connection, over, recognizer, faults } = rig();
  connection.say(OPEN, bytesOf(loud(1000)));
  await connection.received('ready');
  await settle();
  recognizer.fail();
  connection.say(bytesOf(loud(100)));
  await over();
  assert.deepEqual([connection.sent.at(-1)?.['code'], connection.closeCode, faults], ['BACKEND_ERROR', 1011, ['BACKEND_ERROR']]);
});

test('a limit of the session is told after the words that were heard', async () => {
  const { connection, over, clock } = rig();
  connection.say(OPEN, bytesOf(loud(1000)));
  await connection.received('ready');
  await settle();
  clock.advance(60_000);
  await over();
  assert.deepEqual(texts(connection), ['w0 w1']);
  assert.deepEqual([connection.sent.at(-1)?.['code'], connection.closeCode], ['SESSION_IDLE', 1008]);
});

test('a client that never says open is sent away', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { connection, over } = rig();
  await settle();
  context.mock.timers.tick(29_999);
  await settle();
  assert.equal(connection.closeCode, undefined);
  context.mock.timers.tick(1);
  await over();
  assert.deepEqual([connection.sent.at(-1)?.['code'], connection.closeCode], ['SESSION_IDLE', 1008]);
});

test('a client that opened in time is not sent away', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { connection, over } = rig();
  connection.say(OPEN);
  await connection.received('ready');
  context.mock.timers.tick(60_000);
  connection.say(bytesOf(loud(1000)), CLOSE);
  await over();
  assert.equal(connection.closeCode, 1000);
});

test('a client that sends faster than its audio is decoded is read no further', async () => {
  const start = Promise.withResolvers<void>();
  const slow: AudioDecoder = async (bytes, format, signal) => {
    await start.promise;
    return rawDecoder(bytes, format, signal);
  };
  const { connection, over } = rig({ decode: slow });
  connection.say(OPEN);
  const frame = bytesOf(quiet(1000));
  for (let count = 0; count < 100; count += 1) connection.say(frame);
  connection.say(CLOSE);
  await settle();
  const waiting = connection.messages.weight;
  assert.ok(waiting > 100 - 512 * 1024 / frame.length - 2, String(waiting));
  start.resolve();
  await over();
  assert.equal(connection.sent.at(-1)?.['audio_bytes'], 100 * frame.length, 'and nothing is lost');
});

test('a client that never reads holds up its own words only, and is forgotten when it goes', async () => {
  const { connection, over } = rig();
  connection.say(OPEN);
  await connection.received('ready');
  connection.stopReading();
  connection.say(bytesOf(joined(loud(1000), quiet(1000), loud(1000))), CLOSE);
  await settle();
  assert.equal(connection.closeCode, undefined);
  connection.leave();
  const last = await over();
  assert.ok(last?.type === 'session.closed');
  assert.equal(last.reason, 'finished');
});

test('the time that audio waits is observed', async () => {
  const stages: string[] = [];
  const connection = new FakeConnection();
  const recognizer = new FakeRecognizer();
  const sessions = new Sessions({ clock: new ManualClock(), createId: () => 'ses_1', createDetector: new FakeDetectors().create });
  connection.say(OPEN, bytesOf(loud(100)), CLOSE);
  await serveStream(connection, new ScaiEchoConversation(), {
    openSession: (request) => Promise.resolve(sessions.create({ ...request, tenantId: 'tenant', admit: placesAt(recognizer) })),
    decode: rawDecoder,
    onFault: () => undefined,
    observe: (stage, ms) => {
      assert.ok(ms >= 0);
      stages.push(stage);
    },
  });
  assert.deepEqual(stages, ['queue']);
});

/** A session without a socket, and a control socket to it. */
function control(afterSeq = 0) {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer();
  const sessions = new Sessions({ clock, createId: () => 'ses_1', createDetector: new FakeDetectors().create });
  const session = sessions.create({ tenantId: 'tenant', admit: placesAt(recognizer) });
  const join = (from = afterSeq) => {
    const connection = new FakeConnection();
    const served = serveControl(connection, new ScaiEchoConversation({ controlOnly: true }), session, from);
    return { connection, served };
  };
  return { session, recognizer, clock, join };
}

test('a control socket is told what happened before it came, and ends the session', async () => {
  const { session, join } = control();
  session.addLane((await rawDecoder(once(bytesOf(loud(1000))), { container: 'raw' }, new AbortController().signal)).lanes[0]!, 'a');
  await session.settled();
  const { connection, served } = join();
  connection.say(CLOSE);
  await served;
  assert.equal(connection.types[0], 'ready');
  assert.deepEqual(texts(connection), ['w0 w1']);
  assert.deepEqual([connection.sent.at(-1)?.['type'], connection.closeCode, session.state], ['closed', 1000, 'closed']);
});

test('a lost control socket leaves the session as it is, and the next goes on where it was', async () => {
  const { session, join } = control();
  const first = join();
  await first.connection.received('ready');
  first.connection.leave();
  await first.served;
  assert.equal(session.state, 'open');
  const second = join(1);
  second.connection.say({ type: 'flush' });
  await second.connection.received('flushed');
  assert.deepEqual(second.connection.types, ['flushed'], 'ready was seen before');
  second.connection.say(CLOSE);
  await second.served;
});

test('a control socket that is refused takes nothing with it', async () => {
  const { session, join } = control();
  const wrong = join();
  wrong.connection.say(Buffer.from('audio'));
  await wrong.served;
  assert.deepEqual([wrong.connection.sent.at(-1)?.['code'], wrong.connection.closeCode], ['MESSAGE_MALFORMED', 1003]);
  const future = join(99);
  await future.served;
  assert.deepEqual([future.connection.sent.at(-1)?.['code'], future.connection.closeCode], ['VALIDATION_ERROR', 1008]);
  assert.equal(session.state, 'open');
  await session.close('finished');
});

test('a control socket is told why its session failed', async () => {
  const { clock, join } = control();
  const { connection, served } = join();
  await connection.received('ready');
  clock.advance(60_000);
  await served;
  assert.deepEqual([connection.sent.at(-1)?.['code'], connection.closeCode], ['SESSION_IDLE', 1008]);
});

async function* once<T>(item: T): AsyncGenerator<T, void, void> {
  yield item;
}

test('a flush between audio ends what came before it, and what comes after begins anew', async () => {
  const { connection, over } = rig();
  connection.say(OPEN, bytesOf(loud(1600)), { type: 'flush' }, bytesOf(loud(1400)), CLOSE);
  await over();
  assert.deepEqual(texts(connection), ['w0 w1 w2', 'w3 w4 w5']);
  const kinds = connection.sent.map((frame) => (frame['is_final'] === true ? 'final' : frame['type'])).filter((kind) => kind === 'final' || kind === 'flushed');
  assert.deepEqual(kinds, ['final', 'flushed', 'final']);
});

test('a conversation that opens by its address uses the session opened for it, greets first, and answers at once', async () => {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer({ maxSessions: 1 });
  const sessions = new Sessions({ clock, createId: () => 'ses_1', createDetector: new FakeDetectors().create });
  const session = sessions.create({ tenantId: 'tenant', admit: placesAt(recognizer) });
  const connection = new FakeConnection();
  const inner = new ScaiEchoConversation({ controlOnly: true });
  const commands: Record<string, Command> = {
    hello: { type: 'send', messages: ['{"type":"answer"}'] },
    alive: { type: 'keep-alive' },
    end: { type: 'finish' },
  };
  const conversation: Conversation = {
    opening: { format: { container: 'raw' } },
    begin: () => [{ type: 'send', messages: ['{"type":"greeting"}'] }],
    decode: (message) => (typeof message === 'string' ? [commands[(JSON.parse(message) as { type: string }).type]!] : [{ type: 'audio', bytes: message }]),
    encode: (event) => inner.encode(event),
    fail: (error) => inner.fail(error),
  };
  const served = serveStream(connection, conversation, {
    session,
    openSession: () => Promise.reject(new Error('opened twice')),
    decode: rawDecoder,
    onFault: () => undefined,
  });
  connection.say({ type: 'hello' });
  await connection.received('answer');
  assert.equal(connection.types.filter((type) => type === 'greeting').length, 1);
  assert.ok(connection.types.indexOf('greeting') < connection.types.indexOf('answer'));
  clock.advance(50_000);
  connection.say({ type: 'alive' }, { type: 'hello' });
  await settle();
  clock.advance(50_000);
  assert.equal(session.state, 'open', 'the idle limit counts from the last sign of life');
  connection.say(bytesOf(loud(1000)), { type: 'end' });
  await served;
  assert.deepEqual([texts(connection), connection.closeCode], [['w0 w1'], 1000]);
});
