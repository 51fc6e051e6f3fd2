import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { StreamClient } from './clients/stream.ts';
import { wordsOf } from './clients/wire.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { synthesize } from './speech.ts';
import { SENTENCES, STORY } from './spoken.ts';
import { samplesOf } from './wav.ts';
import { wordErrors } from './wer.ts';

const MODEL = '/usr/share/pocketsphinx/model/en-us';
const LIVE_CHUNK = { chunkBytes: 3200, bytesPerSecond: 32_000 } as const;
/** Long enough to end an utterance. */
const PAUSE = Buffer.alloc(1.5 * 32_000);
const OPEN = { type: 'open', media_type: 'audio/pcm', sample_rate: 16_000, language_hint: 'en' } as const;

interface Readiness {
  readonly backends: readonly { readonly id: string; readonly ready: boolean }[];
}

/** A is PocketSphinx whose model can be taken away; B relays to a second server, which can be killed. */
describe('a stream whose backends die one after the other', () => {
  let folder: string;
  let model: string;
  let upstream: TestServer;
  let server: TestServer;
  let sentences: readonly Uint8Array[];

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'earshot-failover-'));
    model = path.join(folder, 'model');
    await cp(MODEL, model, { recursive: true });
    sentences = await Promise.all([SENTENCES.river, SENTENCES.train, SENTENCES.garden].map(async (text) => samplesOf(await readFile(await synthesize(text)))));
    upstream = await TestServer.start({ env: { EARSHOT_ENGINE_PROCESSES: '1' } });
    const relays = [{ id: 'other', kind: 'deepgram', url: upstream.url, connectMs: 20_000, silenceMs: 60_000, answerMs: 60_000 }];
    server = await TestServer.start({
      env: { EARSHOT_MODEL_DIR: model, EARSHOT_ENGINE_PROCESSES: '1', EARSHOT_RELAYS: JSON.stringify(relays), EARSHOT_RELAY_OTHER_KEY: upstream.apiKey },
    });
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const isUp = async (id: string): Promise<boolean> => {
    const { backends } = (await (await fetch(`${server.url}/readyz`)).json()) as Readiness;
    return backends.some((backend) => backend.id === id && backend.ready);
  };

  /** Tells the story over the socket; `inTheMiddleOf[n]` happens when some words of sentence n were heard and its end was not yet said. */
  async function tell(inTheMiddleOf: Readonly<Record<number, () => Promise<void>>>): Promise<StreamClient> {
    const client = await StreamClient.connect(server);
    client.send(OPEN);
    await client.frame('ready', ({ type }) => type === 'ready');
    for (const [index, audio] of sentences.entries()) {
      const half = Math.floor(audio.length / 4) * 2;
      const from = client.frames.length;
      await client.sendAudio(audio.subarray(0, half), LIVE_CHUNK);
      const during = inTheMiddleOf[index];
      if (during) {
        await client.frame('words of an unfinished sentence', (frame) => client.frames.indexOf(frame) >= from && frame.type === 'delta' && !frame.is_final && frame.words.length >= 3);
        await during();
      }
      await client.sendAudio(audio.subarray(half), LIVE_CHUNK);
      await client.sendAudio(PAUSE, LIVE_CHUNK);
      await eventually('the sentence is final', () => client.finals.length > index);
    }
    client.send({ type: 'close' });
    assert.equal(await client.closeCode(), 1000);
    return client;
  }

  it('goes on at the other each time: the client is told once each, and no word is lost or doubled', async () => {
    const whole = await tell({});
    const errorsOfWhole = wordErrors(STORY, whole.text);
    assert.deepEqual(whole.frames.filter(({ type }) => type === 'backend_changed'), []);

    const client = await tell({
      0: async () => {
        await rename(model, `${model}.gone`);
        for (const pid of server.process.enginePids) process.kill(pid, 'SIGKILL');
      },
      2: async () => {
        await rename(`${model}.gone`, model);
        await eventually('the engine is back', () => isUp('pocketsphinx'));
        await upstream.kill();
      },
    });
    assert.equal(client.error, undefined);
    const changes = client.frames.filter((frame) => frame.type === 'backend_changed');
    assert.deepEqual(changes.map(({ from, to, model: name }) => [from, to, name]), [['A', 'B', 'other'], ['B', 'A', 'pocketsphinx-en-us']]);
    assert.equal(client.frames.filter(({ type }) => type === 'ready').length, 1);

    const errors = wordErrors(STORY, client.text);
    assert.ok(errors.rate <= errorsOfWhole.rate, `${client.text} / without: ${whole.text}`);
    assert.deepEqual([errors.insertions, errors.deletions], [0, 0], client.text);
    const words = wordsOf(client.finals);
    for (const [index, word] of words.entries()) assert.ok(word.start >= (words[index - 1]?.end ?? 0) - 0.01, `"${word.text}" lies on the word before it`);
    const numbers = client.frames.flatMap((frame) => ('seq' in frame ? frame.seq : []));
    assert.deepEqual(numbers, [...new Set(numbers)].toSorted((one, two) => one - two));
    assert.deepEqual(client.finals.map(({ segment_id }) => segment_id), ['L0-U0', 'L0-U1', 'L0-U2']);
    assert.equal(await server.metric('earshot_failovers_total'), 2);
    await server.idle();
  });
});
