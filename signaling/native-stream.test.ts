import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../src/core/clock.ts';
import { Sessions } from '../src/core/session/sessions.ts';
import { FedSource, joined, loud, quiet, settle } from '../src/core/testing/audio.ts';
import { eventually } from '../src/core/testing/eventually.ts';
import { placesAt } from '../src/core/testing/fake-backend.ts';
import { FakeDetectors } from '../src/core/testing/fake-detector.ts';
import { FakeRecognizer } from '../src/core/testing/fake-recognizer.ts';
import type { WireMessage } from './connection.ts';
import { serveNative } from './native-stream.ts';
import { WebRtcSessions } from './offer-answer.ts';
import { ResumableSessions } from './resumable-sessions.ts';
import { FakeConnection } from './testing/fake-connection.ts';
import { FakeEngine, NO_STATS } from './testing/fake-engine.ts';
import { bytesOf, rawDecoder } from './testing/raw-decoder.ts';

/** Two words, a pause, two words. */
const TALK = bytesOf(joined(loud(1000), quiet(1000), loud(1000), quiet(500)));
const OPEN = { type: 'open', media_type: 'audio/pcm', acknowledge: true };
const CLOSE = { type: 'close' };

function rig() {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer({ maxSessions: 5 });
  let ids = 0;
  const sessions = new Sessions({ clock, createId: () => `ses_${String((ids += 1))}`, createDetector: new FakeDetectors().create });
  const create = () => sessions.create({ tenantId: 'tenant', admit: placesAt(recognizer), limits: { maxIdleMs: 600_000 }, endpointing: { endpointMs: 700 } });
  const faults: string[] = [];
  const resumable = new ResumableSessions({ decode: rawDecoder, clock, onFault: (error) => faults.push(error.code) });
  const join = (...messages: readonly (WireMessage | object)[]): FakeConnection => {
    const connection = new FakeConnection();
    connection.say(...messages);
    void serveNative(connection, { resumable, tenantId: 'tenant', openSession: () => Promise.resolve(create()), decode: rawDecoder, onFault: (error) => faults.push(error.code) });
    return connection;
  };
  return { clock, resumable, join, create, faults };
}

const finals = (...connections: readonly FakeConnection[]): unknown[] => connections.flatMap(({ sent }) => sent.flatMap((frame) => (frame['type'] === 'delta' && frame['is_final'] === true ? [frame['text']] : [])));
const seqs = (...connections: readonly FakeConnection[]): number[] => connections.flatMap(({ sent }) => sent.flatMap((frame) => (typeof frame['seq'] === 'number' ? [frame['seq']] : [])));
const lastSeq = (connection: FakeConnection): number => seqs(connection).at(-1) ?? 1;

async function resumeOf(connection: FakeConnection, position: number, afterSeq = lastSeq(connection)) {
  const ready = await connection.received('ready');
  return { ...OPEN, resume: { session_id: ready['session_id'], token: ready['resume_token'], position, after_seq: afterSeq } };
}

test('a client that does not ask sees nothing new', async () => {
  const { join } = rig();
  const connection = join({ type: 'open', media_type: 'audio/pcm' }, TALK, CLOSE);
  await connection.closed;
  assert.deepEqual([finals(connection), connection.closeCode], [['w0 w1', 'w4 w5'], 1000]);
  assert.equal(connection.types.includes('ack'), false);
  assert.equal('resume_token' in (await connection.received('ready')), false);
});

test('one that asks is told how to come back, and how far its audio has come', async () => {
  const { clock, join } = rig();
  const connection = join(OPEN, TALK.subarray(0, 10_000), TALK.subarray(10_000, 20_000));
  assert.deepEqual(await connection.received('ack'), { type: 'ack', position: 10_000 });
  clock.advance(100);
  await settle();
  connection.say(TALK.subarray(20_000), CLOSE);
  await connection.closed;
  const acks = connection.sent.flatMap((frame) => (frame['type'] === 'ack' ? [frame['position']] : []));
  assert.deepEqual(acks.slice(0, 2), [10_000, 20_000]);
  assert.equal((await connection.received('closed'))['audio_bytes'], TALK.length);
});

test('a stream that was cut goes on where the client says, with one numbering', async () => {
  const { join } = rig();
  const one = join(OPEN, TALK.subarray(0, 70_000));
  await eventually(() => finals(one).length > 0);
  const seen = lastSeq(one);
  one.leave();
  await settle();
  const two = join(await resumeOf(one, 60_000, seen), TALK.subarray(60_000), CLOSE);
  await two.closed;
  assert.deepEqual(two.sent[0], { type: 'resumed', session_id: 'ses_1', position: 70_000 });
  assert.deepEqual(finals(one, two), ['w0 w1', 'w4 w5']);
  const all = seqs(one, two);
  assert.deepEqual(all, all.toSorted((a, b) => a - b));
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual([(await two.received('closed'))['audio_bytes'], two.closeCode], [TALK.length, 1000]);
});

test('what was said while nobody listened comes then, the end too', async () => {
  const { join } = rig();
  const one = join(OPEN, TALK, CLOSE);
  const resume = await resumeOf(one, TALK.length, 1);
  one.leave();
  await settle();
  const two = join(resume);
  await two.closed;
  assert.deepEqual(finals(two), ['w0 w1', 'w4 w5']);
  assert.equal(two.types.at(-1), 'closed');
});

test('a newer connection takes the place of one that seems alive', async () => {
  const { join } = rig();
  const one = join(OPEN, TALK.subarray(0, 50_000));
  const two = join(await resumeOf(one, 20_000, 1), TALK.subarray(20_000), CLOSE);
  await two.closed;
  assert.equal(one.closeCode, 4409);
  assert.deepEqual(finals(two), ['w0 w1', 'w4 w5']);
});

test('a client that does not come back is heard out', async () => {
  const { clock, join } = rig();
  const one = join(OPEN, TALK);
  const resume = await resumeOf(one, 0, 0);
  one.leave();
  await settle();
  clock.advance(30_000);
  await settle();
  const two = join(resume, TALK, CLOSE);
  await two.closed;
  assert.deepEqual(finals(two), ['w0 w1', 'w4 w5']);
  clock.advance(30_000);
  await settle();
  const late = join(resume);
  await late.closed;
  assert.deepEqual([(await late.received('error'))['code'], late.closeCode], ['NOT_FOUND', 1008]);
});

test('a wrong token, a hole and fields that are none are refused', async () => {
  const { join, faults } = rig();
  const one = join(OPEN, TALK.subarray(0, 1000));
  const resume = await resumeOf(one, 0, 0);
  for (const [bad, code] of [
    [{ ...resume, resume: { ...resume.resume, token: 'x' } }, 'NOT_FOUND'],
    [{ ...resume, resume: { ...resume.resume, position: 2000 } }, 'VALIDATION_ERROR'],
    [{ ...resume, resume: { ...resume.resume, after_seq: 99 } }, 'VALIDATION_ERROR'],
    [{ ...resume, resume: { ...resume.resume, position: -1 } }, 'VALIDATION_ERROR'],
    [{ ...resume, resume: 7 }, 'VALIDATION_ERROR'],
    [{ ...OPEN, acknowledge: 'yes' }, 'VALIDATION_ERROR'],
  ] as const) {
    const connection = join(bad);
    await connection.closed;
    assert.deepEqual([connection.sent.at(-1)?.['code'], connection.closeCode], [code, 1008]);
  }
  assert.equal(faults.length, 6);
  one.say(TALK.subarray(1000), CLOSE);
  await one.closed;
  assert.deepEqual(finals(one), ['w0 w1', 'w4 w5'], 'the session is unharmed');
});

test('WebRTC that never came is followed by a stream in the same session', async () => {
  const { clock, resumable, join, create } = rig();
  const engine = new FakeEngine();
  const session = create();
  const { token, handover } = resumable.offer(session);
  await new WebRtcSessions({ engine, clock }).open(session, 'offer', { handover });
  const resume = { session_id: session.id, token, position: 0, after_seq: 1 };
  const stream = join({ ...OPEN, resume }, TALK, CLOSE);
  await stream.closed;
  assert.deepEqual(stream.sent[0], { type: 'resumed', session_id: 'ses_1', position: 0 });
  assert.deepEqual([finals(stream), engine.peerCount], [['w0 w1', 'w4 w5'], 0]);
});

/** A session by WebRTC that a stream may take over. */
function offered() {
  const { clock, resumable, join, create } = rig();
  const engine = new FakeEngine();
  const webrtc = new WebRtcSessions({ engine, clock });
  const session = create();
  return { clock, resumable, join, create, engine, webrtc, session, ...resumable.offer(session) };
}

test('a peer that dies leaves its lane to a stream, or to nobody', async () => {
  const { clock, resumable, join, create, engine, webrtc, session, token, handover } = offered();
  await webrtc.open(session, 'offer', { handover });
  const track = new FedSource().pcm(joined(loud(1000), quiet(1000), loud(500))).gap(400, 'mute');
  engine.peers[0]?.handlers.track({ label: '0', source: track, stats: () => NO_STATS });
  await settle();
  await engine.peers[0]?.close();
  assert.equal(session.state, 'open');
  webrtc.attend(session.id, 'tenant')(1006);
  clock.advance(20_000);
  assert.equal(session.state, 'open', 'the stream is waited for, though nobody reads');
  const stream = join({ ...OPEN, resume: { session_id: session.id, token, position: 0, after_seq: 1 } });
  assert.deepEqual(await stream.received('resumed'), { type: 'resumed', session_id: 'ses_1', position: 0, replay_from: -1.5 });
  stream.say(TALK.subarray(0, 40_000));
  await settle();
  stream.say(TALK.subarray(40_000), CLOSE);
  await stream.closed;
  assert.deepEqual(finals(stream).slice(0, 1), ['w0 w1']);
  assert.equal(stream.closeCode, 1000);

  const lonely = create();
  await webrtc.open(lonely, 'offer', { handover: resumable.offer(lonely).handover });
  await engine.peers[1]?.close();
  assert.equal(lonely.state, 'open');
  clock.advance(30_000);
  await lonely.closed;
});

test('a hole in what a peer carried is told to its client, who may go on from before it', async () => {
  const { clock, resumable, join, create } = rig();
  const engine = new FakeEngine();
  const session = create();
  const { token, handover } = resumable.offer(session);
  await new WebRtcSessions({ engine, clock }).open(session, 'offer', { handover });
  const track = new FedSource().pcm(loud(1000)).gap(600, 'loss').pcm(loud(1000));
  engine.peers[0]?.handlers.track({ label: '0', source: track, stats: () => NO_STATS });
  for await (const { type } of session.events()) if (type === 'session.reconnect') break;
  const stream = join({ ...OPEN, resume: { session_id: session.id, token, position: 0, after_seq: 1 } });
  assert.equal((await stream.received('resumed'))['replay_from'], -3);
  stream.say(CLOSE);
  await stream.closed;
});

test('a stream that its client leaves for another peer leaves it the lane, and comes back to it', async () => {
  const { clock, join, engine, webrtc, session, token, handover } = offered();
  const resume = (position: number, afterSeq: number) => ({ ...OPEN, resume: { session_id: session.id, token, position, after_seq: afterSeq } });
  await webrtc.open(session, 'offer', { handover });
  await engine.peers[0]?.close();
  const stream = join(resume(0, 1));
  await stream.received('resumed');
  stream.say(TALK);
  await eventually(() => finals(stream).length > 0);

  assert.equal(await webrtc.offer(session.id, 'tenant', 'offer'), 'answer');
  const track = new FedSource().pcm(joined(loud(1000), quiet(4000)));
  engine.peers[1]?.handlers.track({ label: '0', source: track, stats: () => NO_STATS });
  stream.say({ type: 'leave', overlap: 0 });
  await stream.closed;
  assert.deepEqual([stream.types.at(-1), stream.closeCode, session.state], ['left', 1000, 'open']);
  clock.advance(200_000);
  await settle();
  assert.equal(session.state, 'open', 'nobody is waited for');
  const again = join(resume(TALK.length, 1));
  await again.closed;
  assert.deepEqual([again.types, engine.peers[1]?.closes], [['left'], 0], 'who did not hear it is told again');

  await engine.peers[1]?.close();
  const back = join(resume(0, lastSeq(stream)));
  await back.received('resumed');
  back.say(TALK, CLOSE);
  await back.closed;
  assert.equal(back.closeCode, 1000);
  assert.deepEqual(new Set([...stream.sent, ...back.sent].flatMap((frame) => (frame['type'] === 'delta' ? [frame['lane']] : []))), new Set([0]), 'one lane');
  const all = seqs(stream, back);
  assert.deepEqual(all, [...new Set(all)].toSorted((a, b) => a - b), 'one numbering');
});

test('beside a stream, what came over a connection that its client gave up is no part of the next', async () => {
  const { join, engine, webrtc, session, token, handover } = offered();
  await webrtc.open(session, 'offer', { handover });
  await engine.peers[0]?.close();
  const stream = join({ ...OPEN, resume: { session_id: session.id, token, position: 0, after_seq: 1 } });
  await stream.received('resumed');
  stream.say(TALK);
  await eventually(() => finals(stream).length > 0);
  const offer = (certificate: string) => webrtc.offer(session.id, 'tenant', `offer\r\na=fingerprint:sha-256 ${certificate}\r\n`);
  const track = (samples: Int16Array) => ({ label: '0', source: new FedSource().pcm(samples), stats: () => NO_STATS });
  await offer('AA');
  engine.peers[1]?.handlers.track(track(loud(3000)));
  await offer('AA');
  const areClosed = (): boolean[] => engine.peers.map(({ closes }) => closes > 0);
  assert.deepEqual(areClosed(), [true, false], 'the same connection');
  await offer('BB');
  assert.deepEqual(areClosed(), [true, true, false]);
  engine.peers[2]?.handlers.track(track(joined(quiet(1500), loud(1000), quiet(1500))));
  stream.say({ type: 'leave', overlap: 0 });
  await stream.closed;
  await settle();
  void session.close('finished');
  const said: string[] = [];
  for await (const event of session.events()) if (event.type === 'utterance.final') said.push(event.utterance.text);
  assert.deepEqual(said, ['w0 w1', 'w4 w5', 'w10 w11']);
});

test('a peer in place of one that is gone has the lane at once, and is waited for no longer', async () => {
  const { clock, resumable, create } = rig();
  const engine = new FakeEngine();
  const webrtc = new WebRtcSessions({ engine, clock });
  const session = create();
  await webrtc.open(session, 'offer', { handover: resumable.offer(session).handover });
  engine.peers[0]?.handlers.track({ label: '0', source: new FedSource().pcm(loud(500)), stats: () => NO_STATS });
  await engine.peers[0]?.close();
  await assert.rejects(webrtc.addCandidate(session.id, 'tenant', null), { code: 'SESSION_CONFLICT' });
  await webrtc.offer(session.id, 'tenant', 'offer');
  engine.peers[1]?.handlers.track({ label: '0', source: new FedSource().pcm(loud(500)), stats: () => NO_STATS });
  clock.advance(100_000);
  await settle();
  assert.deepEqual([session.state, session.totals().length], ['open', 1]);
  await engine.peers[1]?.close();
  clock.advance(30_000);
  await session.closed;
});

test('a stream with nothing else to go on with cannot be left', async () => {
  const { join } = rig();
  for (const [leave, code] of [[{ type: 'leave', overlap: 1 }, 'SESSION_CONFLICT'], [{ type: 'leave', overlap: 9 }, 'VALIDATION_ERROR']] as const) {
    const connection = join(OPEN, TALK, leave);
    await connection.closed;
    assert.equal(connection.sent.at(-1)?.['code'], code);
  }
});
