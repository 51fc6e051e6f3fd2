import assert from 'node:assert/strict';
import test from 'node:test';
import { SAMPLE_RATE_HZ } from '../audio.ts';
import { ManualClock } from '../clock.ts';
import type { Recognizer, RecognizerSink, RecognizerStream } from '../recognizer.ts';
import { FedSource, loud, settle } from '../testing/audio.ts';
import { placesAt } from '../testing/fake-backend.ts';
import { FakeDetectors } from '../testing/fake-detector.ts';
import { FakeRecognizer } from '../testing/fake-recognizer.ts';
import { Sessions } from './sessions.ts';

function rig(maxSessions = 3) {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer({ maxSessions });
  let ids = 0;
  const sessions = new Sessions({
    clock,
    createId: () => `ses_${String((ids += 1))}`,
    createDetector: new FakeDetectors().create,
    limits: { maxIdleMs: 1000 },
  });
  const request = { tenantId: 'tenant', admit: placesAt(recognizer) };
  return { clock, recognizer, sessions, request };
}

test('a session has an id of its own, its tenant and its backend', async () => {
  const { sessions, request } = rig();
  const one = sessions.create(request);
  const two = sessions.create({ ...request, tenantId: 'other' });
  assert.deepEqual([one.id, one.tenantId, one.backend, two.id, two.tenantId], ['ses_1', 'tenant', 'A', 'ses_2', 'other']);
  assert.equal(sessions.size, 2);
  await sessions.drain();
});

test('a full house says no before any audio flows, and a place that is free again is given away', async () => {
  const { sessions, clock, request } = rig(1);
  const first = sessions.create(request);
  const timers = clock.pendingTimers;
  assert.throws(() => sessions.create(request), (error: { code: string; retryAfterSeconds: number }) => error.code === 'CAPACITY_EXCEEDED' && error.retryAfterSeconds > 0);
  assert.deepEqual([sessions.size, clock.pendingTimers], [1, timers], 'the refused one left nothing');
  await first.close('finished');
  await settle();
  assert.equal(sessions.size, 0);
  await sessions.create(request).close('finished');
});

test('limits of the house are the limits of each session', async () => {
  const { sessions, clock, request } = rig();
  const session = sessions.create(request);
  clock.advance(1000);
  await session.closed;
  assert.equal(session.state, 'closed');
  const shorter = sessions.create({ ...request, limits: { maxDurationMs: 500 } });
  clock.advance(500);
  await shorter.closed;
  assert.equal(shorter.state, 'closed');
});

test('drain lets every session deliver what it heard and admits no more', async () => {
  const { sessions, clock, request } = rig();
  const session = sessions.create(request);
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  const other = sessions.create(request);
  const texts: string[] = [];
  const reading = (async () => {
    for await (const event of session.events()) {
      if (event.type === 'utterance.final') texts.push(event.utterance.text);
      if (event.type === 'session.closed') return event.error?.code;
    }
    return undefined;
  })();
  const draining = sessions.drain();
  assert.throws(() => sessions.create(request), { code: 'SERVER_STOPPING' });
  await draining;
  assert.deepEqual([await reading, texts], ['SERVER_STOPPING', ['w0 w1']]);
  assert.deepEqual([other.state, sessions.size, clock.pendingTimers], ['closed', 0, 0]);
  await sessions.drain();
});

test('a session that was ending when the server stops ends as it was asked to', async () => {
  const { sessions, recognizer, request } = rig();
  const session = sessions.create(request);
  session.addLane(new FedSource().pcm(loud(1000)), 'a');
  await settle();
  recognizer.pause();
  void session.close('finished');
  const draining = sessions.drain();
  recognizer.resume();
  await draining;
  for await (const event of session.events()) if (event.type === 'session.closed') assert.deepEqual([event.reason, event.error], ['finished', undefined]);
});

test('a place may have a longest segment of its own', async () => {
  const { recognizer, clock } = rig();
  const segments: number[] = [];
  const asking: Recognizer = {
    id: 'asking',
    capabilities: recognizer.capabilities,
    snapshot: () => recognizer.snapshot(),
    admit: () => {
      const lease = recognizer.admit();
      const openStream = (sink: RecognizerSink): RecognizerStream => {
        const stream = lease.openStream(sink);
        let startSample = 0;
        return {
          write: (frame) => stream.write(frame),
          beginSegment: (at) => {
            stream.beginSegment((startSample = at));
          },
          endSegment: (at) => {
            segments.push(at - startSample);
            return stream.endSegment(at);
          },
          close: () => stream.close(),
        };
      };
      return { openStream, release: () => lease.release(), capabilities: { ...recognizer.capabilities, maxSegmentSamples: 3 * SAMPLE_RATE_HZ } };
    },
    close: () => recognizer.close(),
  };
  const sessions = new Sessions({ clock, createId: () => 'ses', createDetector: new FakeDetectors().create });
  const session = sessions.create({ tenantId: 'tenant', admit: placesAt(asking) });
  session.addLane(new FedSource().pcm(loud(8000)).end(), 'lane');
  await session.settled();
  await session.close('finished');
  assert.ok(segments.length > 2 && segments.every((samples) => samples <= 3 * SAMPLE_RATE_HZ), segments.join());
});
