import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../src/core/clock.ts';
import type { Session } from '../src/core/session/session.ts';
import { Sessions } from '../src/core/session/sessions.ts';
import { FedSource, loud, settle } from '../src/core/testing/audio.ts';
import { placesAt } from '../src/core/testing/fake-backend.ts';
import { FakeDetectors } from '../src/core/testing/fake-detector.ts';
import { FakeRecognizer } from '../src/core/testing/fake-recognizer.ts';
import type { NumberedEvent } from '../src/core/transcript.ts';
import { WebRtcSessions } from './offer-answer.ts';
import { FakeEngine, NO_STATS } from './testing/fake-engine.ts';

function rig(options: { readonly maxPeers?: number } = {}) {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer({ maxSessions: 2000 });
  let ids = 0;
  const sessions = new Sessions({ clock, createId: () => `ses_${String((ids += 1))}`, createDetector: new FakeDetectors().create });
  const engine = new FakeEngine(options.maxPeers);
  const webrtc = new WebRtcSessions({ engine, clock, retainMs: 1000 });
  const create = (): Session => sessions.create({ tenantId: 'tenant', admit: placesAt(recognizer) });
  return { clock, recognizer, sessions, engine, webrtc, create };
}

async function eventsOf(session: Session): Promise<NumberedEvent[]> {
  const events: NumberedEvent[] = [];
  for await (const event of session.events()) events.push(event);
  return events;
}

const IDS = ['ses_1', 'tenant'] as const;

test('an offer is answered, and each track becomes a lane with its stats', async () => {
  const { engine, webrtc, create } = rig();
  const session = create();
  assert.equal(await webrtc.open(session, 'offer'), 'answer');
  const [peer] = engine.peers;
  for (const label of ['0', '1']) peer?.handlers.track({ label, source: new FedSource().pcm(loud(1000)), stats: () => ({ ...NO_STATS, jitterMs: Number(label) }) });
  assert.deepEqual(Object.entries(webrtc.stats(...IDS)).map(([label, { jitterMs }]) => [label, jitterMs]), [['0', 0], ['1', 1]]);
  await webrtc.finish(...IDS);
  const events = await eventsOf(session);
  assert.deepEqual(events.flatMap((event) => (event.type === 'lane.opened' ? [event.label] : [])), ['0', '1']);
  assert.deepEqual(events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.text] : [])), ['w0 w1', 'w0 w1']);
  const last = events.at(-1);
  assert.ok(last?.type === 'session.closed');
  assert.equal(last.reason, 'finished');
  await settle();
  assert.equal(engine.peerCount, 0);
});

test('the offer may come later, and candidates only after it', async () => {
  const { engine, webrtc, create } = rig();
  assert.equal(await webrtc.open(create(), undefined), undefined);
  const candidate = { candidate: 'candidate:1 1 udp 1 192.0.2.1 1 typ host' };
  await assert.rejects(webrtc.addCandidate(...IDS, candidate), { code: 'SESSION_CONFLICT' });
  assert.equal(await webrtc.offer(...IDS, 'offer'), 'answer');
  await webrtc.addCandidate(...IDS, candidate);
  await webrtc.addCandidate(...IDS, null);
  assert.deepEqual(engine.peers[0]?.candidates, [candidate, null]);
});

test('an offer that is refused at the start takes its session along, leaving nothing', async () => {
  const { engine, webrtc, clock, sessions, recognizer, create } = rig();
  await assert.rejects(webrtc.open(create(), 'garbage'), { code: 'SDP_INVALID' });
  await settle();
  assert.deepEqual([engine.peerCount, webrtc.size, sessions.size, recognizer.snapshot().activeSessions, clock.pendingTimers], [0, 0, 0, 0, 0]);
});

test('no room for a peer frees the place of its session', async () => {
  const { webrtc, clock, sessions, recognizer, create } = rig({ maxPeers: 0 });
  await assert.rejects(webrtc.open(create(), 'offer'), { code: 'CAPACITY_EXCEEDED' });
  await settle();
  assert.deepEqual([webrtc.size, sessions.size, recognizer.snapshot().activeSessions, clock.pendingTimers], [0, 0, 0, 0]);
});

test('a later offer that is refused changes nothing', async () => {
  const { webrtc, create } = rig();
  const session = create();
  await webrtc.open(session, 'offer');
  await assert.rejects(webrtc.offer(...IDS, 'garbage'), { code: 'SDP_INVALID' });
  assert.equal(session.state, 'open');
});

test('a lost peer ends its session, with what was heard', async () => {
  const { engine, webrtc, create } = rig();
  const session = create();
  await webrtc.open(session, 'offer');
  const [peer] = engine.peers;
  peer?.handlers.track({ label: '0', source: new FedSource().pcm(loud(1000)), stats: () => NO_STATS });
  await peer?.close();
  const last = (await eventsOf(session)).at(-1);
  assert.ok(last?.type === 'session.closed');
  assert.deepEqual([last.reason, last.lanes[0]?.heardSamples], ['abandoned', 16_000]);
});

test('a client whose control socket broke and whose packets stay away is gone after ten seconds, with what was heard', async () => {
  const { engine, webrtc, clock, create } = rig();
  const session = create();
  await webrtc.open(session, 'offer');
  let packetsReceived = 1;
  engine.peers[0]?.handlers.track({ label: '0', source: new FedSource().pcm(loud(1000)), stats: () => ({ ...NO_STATS, packetsReceived }) });
  const [one, other] = [webrtc.attend(...IDS), webrtc.attend(...IDS)];
  one(1006);
  clock.advance(11_000);
  assert.equal(session.state, 'open', 'somebody still reads');
  other(1006);
  packetsReceived += 1;
  clock.advance(10_000);
  assert.equal(session.state, 'open', 'packets came');
  clock.advance(900);
  const again = webrtc.attend(...IDS);
  clock.advance(11_000);
  assert.equal(session.state, 'open', 'it is back');
  again(1006);
  clock.advance(9999);
  assert.equal(session.state, 'open');
  clock.advance(1);
  const events = await eventsOf(session);
  assert.deepEqual(events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.text] : [])), ['w0 w1']);
  const last = events.at(-1);
  assert.equal(last?.type === 'session.closed' && last.reason, 'abandoned');

  const polite = create();
  await webrtc.open(polite, 'offer');
  webrtc.attend(polite.id, 'tenant')(1000);
  clock.advance(50_000);
  assert.equal(polite.state, 'open', 'who closes properly meant the socket alone');
});

test('a session that ends closes its peer', async () => {
  const { engine, webrtc, clock, create } = rig();
  await webrtc.open(create(), 'offer');
  clock.advance(60_000);
  await settle();
  assert.equal(engine.peerCount, 0);
});

test('an ended session can be read for a while, but not be used, and is then forgotten', async () => {
  const { webrtc, clock, create } = rig();
  const session = create();
  await webrtc.open(session, 'offer');
  await webrtc.finish(...IDS);
  assert.equal(webrtc.find(...IDS), session);
  await assert.rejects(webrtc.offer(...IDS, 'offer'), { code: 'NOT_FOUND' });
  await assert.rejects(webrtc.addCandidate(...IDS, null), { code: 'NOT_FOUND' });
  await assert.rejects(webrtc.finish(...IDS), { code: 'NOT_FOUND' });
  clock.advance(999);
  assert.equal(webrtc.find(...IDS), session);
  clock.advance(1);
  assert.throws(() => webrtc.find(...IDS), { code: 'NOT_FOUND' });
  assert.deepEqual([webrtc.size, clock.pendingTimers], [0, 0]);
});

test("another tenant's session is not found", async () => {
  const { webrtc, create } = rig();
  const session = create();
  await webrtc.open(session, 'offer');
  assert.throws(() => webrtc.find('ses_1', 'other'), { code: 'NOT_FOUND' });
  await assert.rejects(webrtc.offer('ses_1', 'other', 'offer'), { code: 'NOT_FOUND' });
  await assert.rejects(webrtc.finish('ses_1', 'other'), { code: 'NOT_FOUND' });
  assert.throws(() => webrtc.stats('ses_1', 'other'), { code: 'NOT_FOUND' });
  assert.throws(() => webrtc.find('ses_2', 'tenant'), { code: 'NOT_FOUND' });
  assert.equal(session.state, 'open');
});

test('more tracks than lanes are not heard, and do no harm', async () => {
  const { engine, webrtc, create } = rig();
  const session = create();
  await webrtc.open(session, 'offer');
  const sources = Array.from({ length: 9 }, () => new FedSource());
  for (const [index, source] of sources.entries()) engine.peers[0]?.handlers.track({ label: String(index), source, stats: () => NO_STATS });
  assert.deepEqual([sources.at(-1)?.closes, session.state, session.totals().length], [1, 'open', 8]);
});

test('ended sessions are kept up to a limit, the oldest go first', async () => {
  const { webrtc, create, clock } = rig({ maxPeers: 2000 });
  for (let count = 0; count < 1003; count += 1) {
    const session = create();
    await webrtc.open(session, undefined);
    await session.close('finished');
  }
  assert.equal(webrtc.size, 1000);
  assert.throws(() => webrtc.find('ses_3', 'tenant'), { code: 'NOT_FOUND' });
  webrtc.find('ses_4', 'tenant');
  webrtc.close();
  assert.deepEqual([webrtc.size, clock.pendingTimers], [0, 0]);
});
