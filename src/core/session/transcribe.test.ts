import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../clock.ts';
import { EarshotError } from '../errors.ts';
import { FedSource, joined, loud, quiet, recording, settle } from '../testing/audio.ts';
import { placesAt } from '../testing/fake-backend.ts';
import { FakeDetectors } from '../testing/fake-detector.ts';
import { FakeRecognizer } from '../testing/fake-recognizer.ts';
import type { Session } from './session.ts';
import { Sessions } from './sessions.ts';
import { transcribe, transcriptText } from './transcribe.ts';

function rig(): { readonly session: Session; readonly sessions: Sessions; readonly recognizer: FakeRecognizer; readonly clock: ManualClock } {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer();
  const sessions = new Sessions({ clock, createId: () => 'ses_1', createDetector: new FakeDetectors().create });
  return { session: sessions.create({ tenantId: 'tenant', admit: placesAt(recognizer) }), sessions, recognizer, clock };
}

test('a recording becomes its text, and the session is over', async () => {
  const { session, clock } = rig();
  const transcript = await transcribe(session, recording(joined(loud(1000), quiet(1000), loud(1000))));
  assert.equal(transcriptText(transcript), 'w0 w1 w4 w5');
  assert.deepEqual([transcript.backend, transcript.durationMs, session.state, clock.pendingTimers], ['A', 3000, 'closed', 0]);
});

test('the channels of a recording are interleaved by time', async () => {
  const { session } = rig();
  const left = joined(loud(1000), quiet(3000), loud(1000));
  const right = joined(quiet(2000), loud(1000), quiet(1000));
  const transcript = await transcribe(session, recording(left, right));
  assert.deepEqual(transcript.utterances.map(({ laneIndex, text }) => [laneIndex, text]), [[0, 'w0 w1'], [1, 'w4 w5'], [0, 'w8 w9']]);
  assert.equal(transcript.durationMs, 5000, 'the longest lane');
});

test('silence is an empty transcript', async () => {
  const transcript = await transcribe(rig().session, recording(quiet(5000)));
  assert.deepEqual([transcriptText(transcript), transcript.utterances, transcript.durationMs], ['', [], 5000]);
});

test('progress only rises over one lane, up to its last word', async () => {
  const settledMs: number[] = [];
  const audio = recording(joined(loud(1000), quiet(1000), loud(1000), quiet(1000)));
  await transcribe(rig().session, audio, { progress: (ms) => settledMs.push(ms) });
  assert.deepEqual(settledMs, [1000, 3000]);
});

test('what ended the session before its time is thrown', async () => {
  const broken = { lanes: [new FedSource().pcm(loud(1000)).fail(new EarshotError('AUDIO_MALFORMED', 'Broken.'))] };
  const { session } = rig();
  await assert.rejects(transcribe(session, broken), { code: 'AUDIO_MALFORMED' });
  assert.equal(session.state, 'closed');
});

test('a stop of the server is an error, not a shorter transcript', async () => {
  const { session, sessions } = rig();
  const transcribing = assert.rejects(transcribe(session, { lanes: [new FedSource().pcm(loud(1000))] }), { code: 'SERVER_STOPPING' });
  await settle();
  await sessions.drain();
  await transcribing;
});

test('more channels than a session may have are refused, and every one of them is closed', async () => {
  const { session } = rig();
  const lanes = Array.from({ length: 10 }, () => new FedSource().pcm(loud(100)));
  await assert.rejects(transcribe(session, { lanes }), { code: 'VALIDATION_ERROR' });
  assert.ok(lanes.every(({ closes }) => closes > 0));
  assert.equal(session.state, 'closed');
});

test('an abort ends it at once and leaves nothing open', async () => {
  const { session, recognizer, clock } = rig();
  const gone = new AbortController();
  const lane = new FedSource().pcm(loud(1000));
  const transcribing = assert.rejects(transcribe(session, { lanes: [lane] }, { signal: gone.signal }), { code: 'SESSION_CONFLICT' });
  await settle();
  recognizer.pause();
  gone.abort();
  await transcribing;
  assert.ok(lane.closes > 0);
  assert.deepEqual([recognizer.snapshot().activeSessions, clock.pendingTimers], [0, 0]);
});
