import assert from 'node:assert/strict';
import test from 'node:test';
import { LaneAttribution, unknownSpeaker, withAttributedWords } from './attribution.ts';
import { EarshotError } from './errors.ts';
import { PERMISSIONS, type Principal } from './principal.ts';
import type { Session } from './session/session.ts';
import { Sessions } from './session/sessions.ts';
import { transcribe } from './session/transcribe.ts';
import type { SessionWish } from './admission.ts';
import { ManualClock } from './clock.ts';
import { joined, loud, quiet, recording } from './testing/audio.ts';
import { FakeAttribution } from './testing/fake-attribution.ts';
import { placesAt } from './testing/fake-backend.ts';
import { FakeDetectors } from './testing/fake-detector.ts';
import { FakeRecognizer } from './testing/fake-recognizer.ts';
import type { Utterance, Word } from './transcript.ts';

const TWO_UTTERANCES = joined(quiet(500), loud(1000), quiet(1500), loud(500), quiet(1000));
const ALLOWED: Principal = { tenantId: 't', keyId: 'k', permissions: new Set(PERMISSIONS) };

function rig() {
  const attribution = new FakeAttribution();
  const made: string[] = [];
  const sessions = new Sessions({
    clock: new ManualClock(),
    createId: () => 'ses_1',
    createDetector: new FakeDetectors().create,
    createAttribution: ({ tenantId }) => {
      made.push(tenantId);
      return attribution;
    },
  });
  const open = async (caller: Principal, wish: SessionWish): Promise<Session> => sessions.open(caller, wish, { admit: placesAt(new FakeRecognizer()) });
  return { attribution, made, sessions, open };
}

test('the lanes of a session are its speakers, and a lone lane is nobody in particular', async () => {
  const { open, made } = rig();
  const stereo = await transcribe(await open(ALLOWED, { transport: 'http', priority: 'batch' }), recording(TWO_UTTERANCES, joined(quiet(2000), loud(500), quiet(1000))));
  assert.deepEqual(stereo.utterances.map(({ laneIndex, speaker, words }) => [laneIndex, speaker?.label, words[0]?.speaker?.label]), [
    [0, 'SPEAKER_00', 'SPEAKER_00'],
    [1, 'SPEAKER_01', 'SPEAKER_01'],
    [0, 'SPEAKER_00', 'SPEAKER_00'],
  ]);
  const mono = await transcribe(await open(ALLOWED, { transport: 'http', priority: 'batch' }), recording(TWO_UTTERANCES));
  assert.ok(mono.utterances.every((utterance) => !('speaker' in utterance) && utterance.words.every((word) => !('speaker' in word))));
  assert.deepEqual(made, [], 'no voice was looked at');
});

test('who asks for speakers gets them: the attribution hears each utterance whole, before its final goes out', async () => {
  const { open, attribution, made } = rig();
  const session = await open(ALLOWED, { transport: 'http', priority: 'batch', diarize: true });
  const { utterances } = await transcribe(session, recording(TWO_UTTERANCES));
  assert.deepEqual([made, attribution.lanes, attribution.concluded], [['t'], [0], 1]);
  assert.deepEqual(utterances.map(({ speaker }) => speaker?.label), ['Somebody', 'Somebody']);
  for (const [index, utterance] of utterances.entries()) {
    const audio = attribution.heard[index]!;
    assert.ok(audio.startSample <= utterance.startSample && audio.startSample + audio.samples.length >= utterance.endSample);
    assert.deepEqual(audio.samples, TWO_UTTERANCES.subarray(audio.startSample, audio.startSample + audio.samples.length));
  }
});

test('an attribution that does not want to listen is given no audio', async () => {
  const { open, attribution } = rig();
  attribution.wantsAudio = false;
  await transcribe(await open(ALLOWED, { transport: 'http', priority: 'batch', diarize: true }), recording(TWO_UTTERANCES));
  assert.deepEqual(attribution.heard, [undefined, undefined]);
});

test('who may not have speakers is refused before anything is made', async () => {
  const { open, sessions, made } = rig();
  const caller: Principal = { ...ALLOWED, permissions: new Set(['scaiecho:transcribe']) };
  await assert.rejects(open(caller, { transport: 'http', priority: 'batch', diarize: true }), (error) => error instanceof EarshotError && error.code === 'AUTH_INSUFFICIENT_SCOPE');
  assert.deepEqual([made, sessions.size], [[], 0]);
});

test('interims of several lanes are labelled at once', () => {
  const attribution = new LaneAttribution(2);
  attribution.laneOpened(0);
  assert.equal(attribution.speakerOf(0), undefined);
  attribution.laneOpened(1);
  assert.deepEqual([attribution.speakerOf(0)?.label, attribution.speakerOf(1)?.label], ['SPEAKER_02', 'SPEAKER_03']);
});

test('an utterance of several people is given to who spoke longest', () => {
  const word = (startSample: number, endSample: number, speaker?: number): Word => ({ text: 'x', startSample, endSample, ...(speaker !== undefined && { speaker: unknownSpeaker(speaker) }) });
  const utterance: Utterance = { id: 'L0-U0', laneIndex: 0, text: 'x x x x', words: [], startSample: 0, endSample: 100, stableWords: 4 };
  assert.equal(withAttributedWords(utterance, [word(0, 40, 0), word(40, 65, 1), word(65, 90, 1), word(90, 1000)]).speaker?.label, 'SPEAKER_01');
  assert.ok(!('speaker' in withAttributedWords(utterance, [word(0, 40)])));
});
