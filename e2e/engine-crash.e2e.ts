import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, it } from 'node:test';
import { transcribed } from './clients/rest.ts';
import { StreamClient } from './clients/stream.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

const BYTES_PER_SECOND = 32_000;
const LIVE_CHUNK_BYTES = 3200;
const RESTARTS = 'earshot_recognizer_restarts_total';

/** Streams at the speed of speech. */
async function speak(server: TestServer, audio: Uint8Array): Promise<{ readonly client: StreamClient; readonly done: Promise<number> }> {
  const client = await StreamClient.connect(server);
  client.send({ type: 'open', media_type: 'audio/wav' });
  const speaking = async (): Promise<number> => {
    await client.sendAudio(audio, { chunkBytes: LIVE_CHUNK_BYTES, bytesPerSecond: BYTES_PER_SECOND });
    client.send({ type: 'close' });
    return client.closeCode();
  };
  return { client, done: speaking() };
}

describe('an engine process that dies', () => {
  let server: TestServer;
  let audio: Buffer;
  let whole: string;

  before(async () => {
    server = await TestServer.start();
    audio = await readFile(await tellStory());
    whole = (await transcribed(server, audio)).transcript;
  });
  after(() => server.stop());
  beforeEach(() => server.ready());

  for (const signal of ['SIGKILL', 'SIGSEGV'] as const) {
    it(`by ${signal} in the middle of a sentence costs no word, in any session`, async () => {
      const pid = server.pid;
      const restartsBefore = await server.metric(RESTARTS);
      const engines = server.process.enginePids;
      assert.ok(engines.length > 0);
      const sessions = [await speak(server, audio), await speak(server, audio)];
      await Promise.all(
        sessions.map(({ client }) =>
          client.frame('words of an unfinished sentence', (frame) => frame.type === 'delta' && !frame.is_final && frame.words.length >= 3),
        ),
      );
      const finalsBefore = sessions.map(({ client }) => client.finals.length);
      for (const engine of engines) process.kill(engine, signal);

      for (const [index, { client, done }] of sessions.entries()) {
        assert.equal(await done, 1000);
        assert.equal(client.error, undefined);
        assert.equal(finalsBefore[index], 0, 'the first sentence was still open');
        assert.equal(client.frames.filter(({ type }) => type === 'recovered').length, 1);
        const toSpoken = wordErrors(STORY, client.text);
        assert.ok(toSpoken.rate <= MAX_WORD_ERROR_RATE, `session ${index}: ${client.text}`);
        assert.equal(client.text, whole, 'as if nothing had happened');
      }
      await eventually('the engines are back', () => server.process.enginePids.length === engines.length);
      assert.ok((await server.metric(RESTARTS)) >= restartsBefore + engines.length);
      assert.equal(server.pid, pid);
      assert.equal(server.process.hasExited, false);
      const told = server.process.log.filter(({ msg, signal: by }) => msg.includes('engine process ended') && by === signal);
      assert.deepEqual(told.map(({ pid: ended }) => ended).sort(), [...engines].sort());
      await server.idle();
    });
  }

  it('while an upload is recognized costs no word either', async () => {
    const upload = transcribed(server, audio);
    await eventually('the upload is being recognized', async () => (await server.metric('earshot_recognizer_sessions')) > 0);
    for (const engine of server.process.enginePids) process.kill(engine, 'SIGKILL');
    assert.equal((await upload).transcript, whole);
    await server.idle();
  });

  it('leaves the server ready for the next session', async () => {
    assert.equal((await transcribed(server, audio)).transcript, whole);
  });
});
