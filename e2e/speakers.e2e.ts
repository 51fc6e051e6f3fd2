import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { transcribed } from './clients/rest.ts';
import { stream } from './clients/stream.ts';
import type { Segment } from './clients/wire.ts';
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

  it('is told live, with the finals', async () => {
    const { finals } = await stream(server, talk, { open: { diarize: true } });
    assert.deepEqual(speakersOf(finals), IN_TURN);
  });
});
