import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { call, transcribed } from './clients/rest.ts';
import { stream } from './clients/stream.ts';
import type { Segment } from './clients/wire.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { asChannels, inSequence, synthesize, withSilence } from './speech.ts';
import { SENTENCES } from './spoken.ts';

const TURNS = [
  ['slt', SENTENCES.river],
  ['rms', SENTENCES.window],
  ['slt', SENTENCES.train],
  ['rms', SENTENCES.building],
] as const;
const PAUSE_MS = 900;

/** A woman and a man in turn. */
async function dialogue(): Promise<Uint8Array> {
  const turns = TURNS.map(async ([voice, text]) => withSilence(await synthesize(text, voice), 0, PAUSE_MS, 'room'));
  return readFile(await inSequence(...(await Promise.all(turns))));
}

const speakersOf = (segments: readonly Segment[]): (string | undefined)[] => segments.map(({ speaker }) => speaker);
const IN_TURN = ['SPEAKER_00', 'SPEAKER_01', 'SPEAKER_00', 'SPEAKER_01'];

/** Enrols a voice of the synthesizer and waits until it is known; resolves with the speaker's id. */
async function enrolled(server: TestServer, name: string, voice: 'slt' | 'rms'): Promise<string> {
  const reference = await readFile(await withSilence(await inSequence(await synthesize(SENTENCES.brother, voice), await synthesize(SENTENCES.garden, voice)), 300, 300, 'room'));
  const form = new FormData();
  for (const [field, value] of Object.entries({
    display_name: name,
    language_primary: 'en',
    consent_user_full_name: `${name} Example`,
    consent_stated_purpose: 'to be named in transcripts',
    consent_text: 'I agree.',
  })) {
    form.set(field, value);
  }
  form.set('reference', new Blob([reference]), 'reference.wav');
  form.set('consent', new Blob([await readFile(await synthesize('I agree that my voice is recognized', voice))]), 'consent.wav');
  const { status, data, error } = await call<Speaker>(server, 'POST', 'speakers', { body: form });
  assert.equal(status, 201, JSON.stringify(error));
  const id = data?.speaker_id ?? '';
  let seen: Speaker | undefined;
  await eventually('the voice is known', async () => {
    seen = (await call<Speaker>(server, 'GET', `speakers/${id}`)).data;
    return seen?.status !== 'pending';
  });
  assert.equal(seen?.status, 'ready', seen?.failure_reason ?? '');
  return id;
}

interface Speaker {
  readonly speaker_id: string;
  readonly status: string;
  readonly failure_reason: string | null;
}

describe('who speaks', () => {
  let server: TestServer;
  let talk: Uint8Array;

  before(async () => {
    [server, talk] = await Promise.all([TestServer.start(), dialogue()]);
  });
  after(() => server.stop());

  it('is nobody’s business unless it is asked for: no engine of voices runs', async () => {
    const plain = await transcribed(server, talk);
    assert.deepEqual(new Set(speakersOf(plain.segments)), new Set([undefined]));
    const stereo = await transcribed(server, await readFile(await asChannels(await synthesize(SENTENCES.river), await synthesize(SENTENCES.window, 'rms'))), { fields: { diarize: 'true' } });
    assert.deepEqual(new Set(stereo.segments.map(({ lane, speaker }) => `${lane} ${speaker}`)), new Set(['0 SPEAKER_00', '1 SPEAKER_01']));
    assert.deepEqual(server.process.speakerPids, []);
  });

  it('is told for a recording, by segment and by word', async () => {
    const { segments } = await transcribed(server, talk, { fields: { diarize: 'true' } });
    assert.deepEqual(speakersOf(segments), IN_TURN);
    for (const { words, speaker } of segments) {
      for (const word of words) assert.deepEqual([word.speaker, word.speaker_id], [speaker, null]);
    }
    assert.equal(server.process.speakerPids.length, 1);
  });

  it('is told by name once people are enrolled, and no more when they are erased', async () => {
    const alice = await enrolled(server, 'Alice', 'slt');
    const bob = await enrolled(server, 'Bob', 'rms');
    const named = await transcribed(server, talk, { fields: { diarize: 'true' } });
    assert.deepEqual(speakersOf(named.segments), ['Alice', 'Bob', 'Alice', 'Bob']);
    assert.deepEqual(named.segments.map((segment) => segment.speaker_id), [alice, bob, alice, bob]);
    const { finals } = await stream(server, talk, { open: { diarize: true } });
    assert.deepEqual(speakersOf(finals), ['Alice', 'Bob', 'Alice', 'Bob']);

    const erased = await call<{ readonly status: string }>(server, 'DELETE', `speakers/${alice}`);
    assert.equal(erased.data?.status, 'erased');
    const after = await transcribed(server, talk, { fields: { diarize: 'true' } });
    assert.deepEqual(speakersOf(after.segments), ['SPEAKER_00', 'Bob', 'SPEAKER_00', 'Bob']);
    await call(server, 'DELETE', `speakers/${bob}`);
  });

  it('is told live, with the finals', async () => {
    const { finals } = await stream(server, talk, { open: { diarize: true } });
    assert.deepEqual(speakersOf(finals), IN_TURN);
  });
});
