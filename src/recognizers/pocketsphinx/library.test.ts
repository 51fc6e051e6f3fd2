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

test('decoders that search at the same time hear what each of them hears alone', async () => {
  const frontEnd = new FrontEnd(MODEL);
  const decoders = [new Decoder(MODEL), new Decoder(MODEL)];
  const texts = ['The weather is fine today and we are going to walk along the river.', 'Please open the window because the room is getting very warm.'];
  const cepstra = texts.map((text) => frontEnd.process(spoken(text)));
  const search = async (decoder: Decoder, index: number): Promise<DecodedWord[]> => {
    decoder.start(initialMean(MODEL));
    await decoder.process(cepstra[index]!);
    await decoder.end();
    return decoder.words();
  };
  try {
    const alone = [await search(decoders[0]!, 0), await search(decoders[1]!, 1)];
    for (let round = 0; round < 3; round += 1) assert.deepEqual(await Promise.all(decoders.map(search)), alone);
  } finally {
    for (const decoder of decoders) decoder.free();
    frontEnd.free();
  }
});
