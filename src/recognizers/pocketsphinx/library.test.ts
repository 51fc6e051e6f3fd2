import assert from 'node:assert/strict';
import test from 'node:test';
import { spoken } from '../../core/testing/spoken.ts';
import { Decoder, FrontEnd, initialMean, modelPaths, type DecodedWord } from './library.ts';

const MODEL = modelPaths(process.env['EARSHOT_MODEL_DIR'] ?? '/usr/share/pocketsphinx/model/en-us');

test('an utterance searched narrowly or in one pass is searched otherwise, and those after it as ever', async () => {
  const frontEnd = new FrontEnd(MODEL);
  const cepstra = frontEnd.process(spoken('My brother has a new job in the city and he is very happy there.'));
  const decoder = new Decoder(MODEL);
  const search = async (effort: { narrow?: boolean; secondPass?: boolean }): Promise<DecodedWord[]> => {
    decoder.start(initialMean(MODEL));
    await decoder.process(cepstra, effort);
    await decoder.end(effort);
    return decoder.words();
  };
  try {
    const usual = await search({});
    assert.ok(usual.length > 5);
    for (const effort of [{ narrow: true }, { secondPass: false }]) {
      assert.notDeepEqual(await search(effort), usual, JSON.stringify(effort));
      assert.deepEqual(await search({}), usual);
    }
  } finally {
    decoder.free();
    frontEnd.free();
  }
});
