import assert from 'node:assert/strict';
import test from 'node:test';
import type { AudioSource } from '../audio.ts';
import { ManualClock } from '../clock.ts';
import { EarshotError } from '../errors.ts';
import { FedSource, joined, loud, quiet, settle } from '../testing/audio.ts';
import { placesAt } from '../testing/fake-backend.ts';
import { FakeDetectors } from '../testing/fake-detector.ts';
import { FakeRecognizer } from '../testing/fake-recognizer.ts';
import type { Writing } from '../text-options.ts';
import type { NumberedEvent } from '../transcript.ts';
import { Session, SESSION_LIMITS, type SessionLimits } from './session.ts';

function rig(limits: Partial<SessionLimits> = {}, writing?: Writing) {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer();
  const detectors = new FakeDetectors();
  const session = new Session({
    id: 'ses_1',
    tenantId: 'tenant',
    place: placesAt(recognizer)(),
    clock,
    createDetector: detectors.create,
    endpointing: {},
    limits: { ...SESSION_LIMITS, ...limits },
    ...(writing && { writing }),
  });
  const events: NumberedEvent[] = [];
  const read = (async () => {
    for await (const event of session.events()) events.push(event);
  })();
  /** What holds of every session that has ended, whatever happened to it. */
  const ended = async (): Promise<Extract<NumberedEvent, { type: 'session.closed' }>> => {
    await session.closed;
    await read;
    await settle();
    const last = events.at(-1);
    assert.ok(last?.type === 'session.closed');
    assert.equal(events.filter(({ type }) => type === 'session.closed').length, 1);
    assert.equal(events[0]?.type, 'session.ready');
    assert.equal(session.state, 'closed');
    assert.equal(clock.pendingTimers, 0);
    assert.equal(recognizer.released, 1);
    assert.equal(recognizer.snapshot().activeSessions, 0);
    assert.equal(recognizer.openStreams, 0);
    assert.equal(detectors.closed, detectors.made);
    return last;
  };
  return { clock, recognizer, detectors, session, events, ended };
}

const finals = (events: readonly NumberedEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.text] : []));

test('a session is ready at once, hears its lanes out and closes', async () => {
  const { session, events, ended } = rig();
  const source = new FedSource().pcm(joined(loud(1000), quiet(1000))).end();
  assert.equal(session.state, 'open');
  session.addLane(source, 'left');
  await session.settled();
  assert.equal(session.state, 'open');
  const closing = session.close('finished');
  assert.equal(session.state, 'closing');
  await closing;
  const last = await ended();
  assert.equal(last.reason, 'finished');
  assert.equal(last.error, undefined);
  assert.deepEqual(last.lanes, session.totals());
  assert.deepEqual(finals(events), ['w0 w1']);
  assert.deepEqual(events.map(({ seq }) => seq), events.map(({ seq }) => seq).toSorted((a, b) => a - b));
  assert.deepEqual(events[1], { type: 'lane.opened', laneIndex: 0, label: 'left', seq: 2 });
});

test('what was heard so far can be read at any time, with what is being said', async () => {
  const { session, ended } = rig();
  assert.deepEqual(session.soFar(), { utterances: [], isWhole: true });
  const source = new FedSource().pcm(joined(loud(1000), quiet(1000), loud(900)));
  session.addLane(source, 'left');
  await settle();
  const texts = (): string[] => session.soFar().utterances.map(({ text }) => text);
  assert.deepEqual(texts().slice(0, 1), ['w0 w1']);
  assert.equal(texts().length, 2);
  source.end();
  await session.settled();
  const final = texts();
  assert.equal(final.length, 2);
  void session.close('finished');
  await ended();
  assert.deepEqual(texts(), final);
});

test('lanes share one session and one numbering, and each has its own utterances', async () => {
  const { session, events, ended } = rig();
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(1000))).end(), 'left');
  session.addLane(new FedSource().pcm(joined(quiet(1000), loud(1000))).end(), 'right');
  await session.settled();
  void session.close('finished');
  const last = await ended();
  assert.deepEqual(finals(events).toSorted(), ['w0 w1', 'w2 w3']);
  assert.deepEqual(last.lanes.map(({ laneIndex }) => laneIndex), [0, 1]);
  for (const laneIndex of [0, 1]) {
    const own = events.filter((event) => ('laneIndex' in event ? event.laneIndex : 'utterance' in event ? event.utterance.laneIndex : -1) === laneIndex);
    assert.equal(own[0]?.type, 'lane.opened', 'nothing of a lane comes before it');
  }
});

test('close delivers what the sources still have; later callers join', async () => {
  const { session, events, ended } = rig();
  const source = new FedSource().pcm(loud(1000));
  session.addLane(source, 'a');
  await Promise.all([session.close('abandoned'), session.close('finished'), session.close('cancelled')]);
  assert.equal((await ended()).reason, 'abandoned', 'the first reason counts');
  assert.deepEqual(finals(events), ['w0 w1']);
  assert.equal(source.closes, 1);
});

test('close without a lane closes', async () => {
  const { session, ended } = rig();
  await session.close('finished');
  await ended();
});

test('destroy does not wait: the error is the last word, and nobody gets a final that was never settled', async () => {
  const { session, events, recognizer, ended } = rig();
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(100))), 'a');
  await settle();
  recognizer.pause();
  await session.destroy(new EarshotError('INTERNAL', 'Broken.'));
  const last = await ended();
  assert.deepEqual([last.reason, last.error], ['failed', { code: 'INTERNAL', message: 'Broken.' }]);
  assert.deepEqual(finals(events), []);
});

test('destroy while closing ends the wait for an engine that does not answer', async () => {
  const { session, recognizer, ended } = rig();
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  await settle();
  recognizer.pause();
  const closing = session.close('finished');
  await settle();
  assert.equal(session.state, 'closing');
  await session.destroy(new EarshotError('INTERNAL', 'Broken.'));
  await closing;
  assert.equal((await ended()).reason, 'failed');
});

test('destroy after the end changes nothing', async () => {
  const { session, ended } = rig();
  await session.close('finished');
  await session.destroy(new EarshotError('INTERNAL', 'Late.'));
  assert.equal((await ended()).reason, 'finished');
});

test('no lane is added once the session closes, and its source is told', async () => {
  const { session, recognizer, ended } = rig();
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  await settle();
  recognizer.pause();
  void session.close('finished');
  const late = new FedSource();
  assert.throws(() => session.addLane(late, 'late'), { code: 'SESSION_CONFLICT' });
  assert.equal(late.closes, 1);
  recognizer.resume();
  await ended();
  const later = new FedSource();
  assert.throws(() => session.addLane(later, 'later'), { code: 'SESSION_CONFLICT' });
  assert.equal(later.closes, 1);
});

test('as many lanes as allowed, and not one more', async () => {
  const { session, ended } = rig({ maxLanes: 2 });
  session.addLane(new FedSource(), '1');
  session.addLane(new FedSource(), '2');
  const third = new FedSource();
  assert.throws(() => session.addLane(third, '3'), { code: 'VALIDATION_ERROR' });
  assert.equal(third.closes, 1);
  assert.equal(session.state, 'open');
  void session.close('finished');
  assert.equal((await ended()).lanes.length, 2);
});

test('a session that hears nothing for too long says what it heard and then why it ended', async () => {
  const { session, clock, events, ended } = rig({ maxIdleMs: 1000 });
  const source = new FedSource().pcm(loud(1000));
  session.addLane(source, 'a');
  await settle();
  clock.advance(999);
  assert.equal(session.state, 'open');
  clock.advance(1);
  const last = await ended();
  assert.deepEqual([last.reason, last.error?.code], ['failed', 'SESSION_IDLE']);
  assert.deepEqual(finals(events), ['w0 w1']);
});

test('audio keeps a session from being idle, gaps do not', async () => {
  const { session, clock, ended } = rig({ maxIdleMs: 1000 });
  const source = new FedSource();
  session.addLane(source, 'a');
  for (let count = 0; count < 5; count += 1) {
    clock.advance(900);
    source.pcm(quiet(20));
    await settle();
  }
  assert.equal(session.state, 'open');
  clock.advance(900);
  source.gap(20, 'mute');
  await settle();
  clock.advance(100);
  assert.equal((await ended()).error?.code, 'SESSION_IDLE');
});

test('a session that lasts too long says what it heard and then why it ended', async () => {
  const { session, clock, events, ended } = rig({ maxDurationMs: 500 });
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  await settle();
  clock.advance(500);
  const last = await ended();
  assert.deepEqual([last.reason, last.error?.code], ['failed', 'SESSION_TOO_LONG']);
  assert.deepEqual(finals(events), ['w0 w1']);
});

test('a session that is closing in time is not called too long', async () => {
  const { session, clock, recognizer, ended } = rig({ maxDurationMs: 500, closeDeadlineMs: 5000 });
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  await settle();
  recognizer.pause();
  void session.close('finished');
  clock.advance(1000);
  recognizer.resume();
  const last = await ended();
  assert.deepEqual([last.reason, last.error], ['finished', undefined]);
});

test('finals that do not come in time are given up', async () => {
  const { session, clock, recognizer, ended } = rig({ closeDeadlineMs: 5000 });
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  await settle();
  recognizer.pause();
  void session.close('finished');
  await settle();
  clock.advance(4999);
  await settle();
  assert.equal(session.state, 'closing');
  clock.advance(1);
  const last = await ended();
  assert.deepEqual([last.reason, last.error?.code], ['failed', 'BACKEND_TIMEOUT']);
});

test('a recognizer that fails ends the session with its error', async () => {
  const { session, recognizer, ended } = rig();
  const source = new FedSource().pcm(loud(1000));
  session.addLane(source, 'a');
  await settle();
  recognizer.fail();
  source.pcm(loud(100));
  const last = await ended();
  assert.deepEqual([last.reason, last.error?.code], ['failed', 'BACKEND_ERROR']);
});

test('a source that breaks ends the session with its error, after the words before it, other lanes too', async () => {
  const { session, events, ended } = rig();
  const other = new FedSource().pcm(loud(500));
  session.addLane(other, 'other');
  session.addLane(new FedSource().pcm(loud(1000)).fail(new EarshotError('AUDIO_MALFORMED', 'Broken.')), 'a');
  const last = await ended();
  assert.deepEqual([last.reason, last.error?.code], ['failed', 'AUDIO_MALFORMED']);
  assert.deepEqual(finals(events).toSorted(), ['w0', 'w0 w1']);
});

test('what is no EarshotError is told as a fault of the server, without its message', async () => {
  const { session, ended } = rig();
  session.addLane(new FedSource().fail(new Error('/home/secret')), 'a');
  const last = await ended();
  assert.equal(last.error?.code, 'INTERNAL');
  assert.doesNotMatch(last.error.message, /secret/);
});

test('flush answers with the finals of all lanes before it, every time', async () => {
  const { session, events, ended } = rig();
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  session.addLane(new FedSource().pcm(loud(500)), 'b');
  await settle();
  await session.flush();
  await session.flush();
  await settle();
  const told = events.map(({ type }) => type).filter((type) => type === 'session.flushed' || type === 'utterance.final');
  assert.deepEqual(told, ['utterance.final', 'utterance.final', 'session.flushed', 'session.flushed']);
  void session.close('finished');
  await ended();
  await session.flush();
});

test('events can be read again from any number, also after the end', async () => {
  const { session, events, ended } = rig();
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  await session.close('finished');
  await ended();
  const again: NumberedEvent[] = [];
  for await (const event of session.events(2)) again.push(event);
  assert.deepEqual(again.map(({ seq }) => seq), events.filter(({ seq, type }) => seq > 2 && type !== 'utterance.interim').map(({ seq }) => seq));
  assert.equal(again.at(-1)?.seq, session.lastSeq);
});

test('the recognizer has its place back before session.closed is told', async () => {
  const { session, recognizer } = rig();
  const reading = (async () => {
    for await (const event of session.events()) if (event.type === 'session.closed') return recognizer.snapshot().activeSessions;
    return undefined;
  })();
  await session.close('finished');
  assert.equal(await reading, 0);
});

test('what is told is written as the session wants it, interims and finals', async () => {
  const { session, events, ended } = rig({}, (utterance, isFinal) => ({ ...utterance, text: `${isFinal ? 'final' : 'interim'} of ${String(utterance.words.length)}` }));
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(1000))).end(), 'left');
  await session.settled();
  await session.close('finished');
  await ended();
  assert.deepEqual(finals(events), ['final of 2']);
  assert.ok(events.filter(({ type }) => type === 'utterance.interim').every((event) => event.type === 'utterance.interim' && event.utterance.text.startsWith('interim of')));
});

test('a client that waits for a busy recognizer is not idle; once it is heard, the silence counts', async () => {
  const { session, recognizer, clock, ended } = rig({ maxIdleMs: 1000 });
  const source = new FedSource();
  session.addLane(source, 'left');
  recognizer.pause();
  source.pcm(loud(5000));
  await settle();
  clock.advance(2500);
  assert.equal(session.state, 'open');
  recognizer.resume();
  await settle();
  clock.advance(900);
  assert.equal(session.state, 'open');
  clock.advance(1200);
  assert.equal((await ended()).error?.code, 'SESSION_IDLE');
});

test('lanes that join are told by when their audio was captured, not by when it came, and as it is known by then', async () => {
  const { clock, session, events } = rig();
  /** Captured at `originMs`, which the source knows better a moment later. */
  const captured = (originMs: number): AudioSource => {
    const fed = new FedSource().pcm(joined(quiet(500), loud(1000), quiet(1000))).end();
    let asked = 0;
    return { close: () => fed.close(), [Symbol.asyncIterator]: () => fed[Symbol.asyncIterator](), get originMs() { return originMs + ((asked += 1) === 1 ? 40 : 0); } };
  };
  clock.advance(5000);
  session.addLane(captured(4900), 'near', { joins: true });
  await settle();
  clock.advance(300);
  session.addLane(captured(4750), 'far', { joins: true });
  await session.settled();
  const starts = events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.words[0]!.startSample] : []));
  assert.equal(starts[1]! - starts[0]!, -150 * 16);
});

test('who joins later is told in the session’s time under the given name, and pays for no more than was heard', async () => {
  const { clock, session, events, ended } = rig();
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(1000))).end(), 'a', { speaker: 'Alice', joins: true });
  await settle();
  clock.advance(30_000);
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(1000))).end(), 'b', { speaker: 'Bob', joins: true });
  await session.settled();
  const told = events.flatMap((event) => (event.type === 'utterance.final' ? [[event.utterance.speaker?.label, event.utterance.words[0]?.speaker?.label, event.utterance.startSample >= 480_000]] : []));
  assert.deepEqual(told, [['Alice', 'Alice', false], ['Bob', 'Bob', true]]);
  const bob = events.find((event) => event.type === 'utterance.final' && event.utterance.laneIndex === 1);
  const alice = events.find((event) => event.type === 'utterance.final' && event.utterance.laneIndex === 0);
  assert.ok(bob?.type === 'utterance.final' && alice?.type === 'utterance.final');
  assert.equal(bob.utterance.words[0]!.startSample - alice.utterance.words[0]!.startSample, 480_000);
  const started = events.flatMap((event) => (event.type === 'speech.started' ? [event.atSample >= 480_000] : []));
  assert.deepEqual(started, [false, true]);
  void session.close('finished');
  const { lanes } = await ended();
  assert.deepEqual(lanes.map(({ heardSamples }) => heardSamples), [32_000, 32_000]);
});
