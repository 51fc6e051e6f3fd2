import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { call, transcribed, upload, type Transcription } from './clients/rest.ts';
import { TestServer } from './server.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

const RELAY = { fields: { backend_preference: 'prefer_relay' } };
/** The upstream's engine shares this machine with everything else that tests do. */
const PATIENCE = { connectMs: 20_000, silenceMs: 60_000, answerMs: 60_000 };

describe('Earshot relays to another Earshot', () => {
  let upstream: TestServer;
  let mono: Uint8Array;
  let direct: Transcription;

  before(async () => {
    upstream = await TestServer.start();
    mono = await readFile(await tellStory());
    direct = await transcribed(upstream, mono);
  });
  after(() => upstream.stop());

  /** Runs `body` at a server whose backend B is the upstream, spoken to in this way. */
  async function relaying(kind: 'earshot' | 'deepgram', body: (server: TestServer) => Promise<void>): Promise<void> {
    const relays = [{ id: 'other', kind, url: upstream.url, ...PATIENCE }];
    const server = await TestServer.start({ env: { EARSHOT_RELAYS: JSON.stringify(relays), EARSHOT_RELAY_OTHER_KEY: upstream.apiKey } });
    try {
      await body(server);
      assert.ok(!server.process.stderr.includes(upstream.apiKey) && !server.process.stdout.includes(upstream.apiKey), 'the key is in a log');
      await server.idle();
    } finally {
      await server.stop();
    }
  }

  function assertHeard(text: string, backend: unknown): void {
    assert.equal(backend, 'B');
    // The upstream hears the same speech in other pieces: its engine follows the background from where each begins.
    const { rate } = wordErrors(STORY, text);
    assert.ok(rate <= Math.max(MAX_WORD_ERROR_RATE, wordErrors(STORY, direct.transcript).rate), `${rate}: ${text}`);
  }

  it('in chunks: the text is that of the upstream, with its times', async () => {
    await relaying('earshot', async (server) => {
      const file = await transcribed(server, mono, RELAY);
      assertHeard(file.transcript, file.backend_used);
      for (const [index, segment] of file.segments.entries()) {
        assert.ok(Math.abs(segment.start - (direct.segments[index]?.start ?? NaN)) < 0.5, `utterance ${index} starts at ${segment.start}`);
      }
    });
  });

  it('as a stream, by the protocol of Deepgram: the same', async () => {
    await relaying('deepgram', async (server) => {
      const file = await transcribed(server, mono, RELAY);
      assertHeard(file.transcript, file.backend_used);
      assert.ok(file.segments.every(({ words }) => words.every(({ confidence }) => confidence !== undefined)));
    });
  });

  it("with a tenant's own key, from the moment the server is entrusted with it", async () => {
    const relays = [{ id: 'other', kind: 'earshot', url: upstream.url, ...PATIENCE }];
    const server = await TestServer.start({ env: { EARSHOT_RELAYS: JSON.stringify(relays) } });
    try {
      assert.notEqual((await upload(server, mono, RELAY)).data?.backend_used, 'B');
      assert.equal((await call(server, 'PUT', 'tenant-secrets/relay-other', { json: { value: upstream.apiKey } })).status, 204);
      const file = await transcribed(server, mono, RELAY);
      assertHeard(file.transcript, file.backend_used);
    } finally {
      await server.stop();
    }
  });

  it('an upstream that refuses the key is an error that says so and does not hold the key', async () => {
    const key = 'sgk_a-key-that-nobody-knows';
    const relays = [{ id: 'other', kind: 'earshot', url: upstream.url, key, ...PATIENCE }];
    const server = await TestServer.start({ env: { EARSHOT_RELAYS: JSON.stringify(relays) } });
    try {
      const { status, error } = await upload(server, mono, RELAY);
      // Where the other backend takes over there is no error at all.
      if (status !== 200) {
        assert.deepEqual([status, error?.code], [503, 'BACKEND_UNAVAILABLE']);
        assert.match(error?.message ?? '', /refuses the API key/);
      }
      assert.ok(!server.process.stderr.includes(key) && !server.process.stdout.includes(key));
    } finally {
      await server.stop();
    }
  });
});
