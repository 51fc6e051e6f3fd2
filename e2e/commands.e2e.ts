import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, upload } from './clients/rest.ts';
import { StreamClient } from './clients/stream.ts';
import { eventually, within } from './eventually.ts';
import { TestServer } from './server.ts';
import { ServerProcess } from './server-process.ts';
import { synthesize } from './speech.ts';
import { SENTENCES, tellStory } from './spoken.ts';

/** A start that must fail: what the server printed on its way out. */
async function failedStart(env: Readonly<Record<string, string>>): Promise<{ readonly code: number | null; readonly told: string }> {
  const child = new ServerProcess({ PORT: '0', EARSHOT_LOG_LEVEL: 'silent', ...env });
  try {
    const { code } = await within('the server gives up', child.exited);
    return { code, told: child.stderr.trim() };
  } finally {
    child.kill('SIGKILL');
  }
}

describe('starting and stopping', () => {
  let dataDir: string;

  before(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'earshot-e2e-'));
  });
  after(() => rm(dataDir, { recursive: true, force: true }));

  it('prints an address that works, and makes a key that is kept', async () => {
    const keys: string[] = [];
    for (let start = 0; start < 2; start += 1) {
      await using server = await TestServer.start({ dataDir });
      assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
      keys.push(server.apiKey);
      assert.match(server.process.stdout, new RegExp(`curl ${server.url}/v1/modules/scaiecho/transcribe`));
      assert.equal((await fetch(server.url)).status, 200);
      const headers = { authorization: `Bearer ${server.apiKey}`, origin: 'https://elsewhere.example' };
      const created = await call<{ session_id: string }>(server, 'POST', 'webrtc/sessions', { json: {}, headers });
      assert.equal(created.status, 201);
      const { status } = await call(server, 'DELETE', `webrtc/sessions/${created.data?.session_id ?? ''}`);
      assert.equal(status, 204);
    }
    assert.match(keys[0] ?? '', /^sgk_[\w-]{20,}$/);
    assert.equal(keys[1], keys[0]);
    const file = path.join(dataDir, 'api-key');
    assert.equal((await readFile(file, 'utf8')).trim(), keys[0]);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  it('has engine processes keep what they compiled, which end without a chance to', async () => {
    const cache = path.join(dataDir, 'compiled');
    await using server = await TestServer.start({ env: { NODE_COMPILE_CACHE: cache } });
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    // The server keeps its own when it ends; what is there before is theirs.
    const kept = await readdir(cache, { recursive: true });
    assert.ok(kept.length > 5, `kept: ${kept.join(' ')}`);
  });

  it('takes the key from the environment, and then makes none', async () => {
    const apiKey = 'a-key-of-ones-own-choice';
    await using server = await TestServer.start({ env: { EARSHOT_API_KEY: apiKey } });
    assert.equal(server.apiKey, apiKey);
    assert.doesNotMatch(server.process.stdout, /kept in/);
    const created = await call(server, 'POST', 'webrtc/sessions', {
      json: {},
      headers: { authorization: `Bearer ${apiKey}`, origin: 'https://elsewhere.example' },
    });
    assert.equal(created.status, 201);
  });

  it('says on every address that it lives, and only when ready that it is', async () => {
    await using server = await TestServer.start({ env: { EARSHOT_MODEL_DIR: path.join(dataDir, 'no-model-here') }, untilReady: false });
    const health = await fetch(`${server.url}/healthz`);
    assert.equal(health.status, 200);
    assert.deepEqual(await health.json(), { status: 'ok', module: 'scaiecho' });
    const reason = await eventually('readyz names the missing model', async () => {
      const ready = await fetch(`${server.url}/readyz`);
      assert.equal(ready.status, 503);
      const body = (await ready.json()) as { readonly reason: string };
      return body.reason.includes('model') ? body.reason : undefined;
    });
    assert.ok(!reason.includes('\n'), 'one line');
    const { status, error } = await upload(server, await readFile(await synthesize(SENTENCES.river)));
    assert.equal(status, 503);
    assert.equal(error?.code, 'BACKEND_UNAVAILABLE');
    assert.ok((error.retry_after ?? 0) > 0);
    const client = await StreamClient.connect(server);
    client.send({ type: 'open' });
    assert.equal(await client.closeCode(), 1013);
    assert.equal(client.error?.code, 'BACKEND_UNAVAILABLE');
  });

  it('does not start on a port that is taken, and says so in one line', async () => {
    await using server = await TestServer.start({ untilReady: false });
    const port = new URL(server.url).port;
    const { code, told } = await failedStart({ EARSHOT_DATA: dataDir, PORT: port });
    assert.equal(code, 1);
    assert.match(told, new RegExp(`^[^\\n]*Port ${port} is taken[^\\n]*PORT=\\d+ npm start$`));
  });

  it('does not start on the data folder of another server, nor on one that is no folder, and says so in one line', async () => {
    await using server = await TestServer.start({ dataDir, untilReady: false });
    const taken = await failedStart({ EARSHOT_DATA: dataDir });
    assert.deepEqual([taken.code, (await fetch(`${server.url}/healthz`)).status], [1, 200]);
    assert.match(taken.told, /^[^\n]*Another Earshot server uses the data folder [^\n]*; stop it[^\n]*EARSHOT_DATA=\S+ npm start$/);
    const { code, told } = await failedStart({ EARSHOT_DATA: path.join(dataDir, 'api-key', 'data') });
    assert.equal(code, 1);
    assert.match(told, /^[^\n]*cannot be written[^\n]*EARSHOT_DATA=\S+ npm start$/);
  });

  for (const [name, env, fault] of [
    ['an unknown setting', { EARSHOT_MODLE_DIR: '/tmp' }, /EARSHOT_MODLE_DIR: unknown setting$/],
    ['a value that cannot be', { PORT: '70000' }, /^port: /m],
    ['a key that is too short', { EARSHOT_API_KEY: 'short' }, /^apiKey: /m],
    ['a configuration file that is missing', { EARSHOT_CONFIG: '/nowhere/earshot.json' }, /EARSHOT_CONFIG: cannot read/],
  ] as const) {
    it(`does not start with ${name}`, async () => {
      const { code, told } = await failedStart({ EARSHOT_DATA: dataDir, ...env });
      assert.equal(code, 2);
      assert.match(told, fault);
    });
  }

  it('delivers what it heard before it stops', async () => {
    const server = await TestServer.start();
    const client = await StreamClient.connect(server);
    client.send({ type: 'open' });
    const speaking = client.sendAudio(await readFile(await tellStory()), { chunkBytes: 3200, bytesPerSecond: 32_000 });
    await client.frame('words of an unfinished sentence', (frame) => frame.type === 'delta' && !frame.is_final && frame.words.length >= 4);
    assert.equal(client.finals.length, 0);
    await server.stop();
    assert.equal(await client.closeCode(), 1001);
    await speaking;
    assert.ok(client.text.startsWith('the weather is'), client.text);
    assert.equal(client.error?.code, 'SERVER_STOPPING');
    assert.equal(client.frames.at(-1), client.error);
  });

  it('stops at once when nobody is connected, and takes its engines along', async () => {
    const server = await TestServer.start();
    const engines = server.process.enginePids;
    assert.ok(engines.length > 0);
    await server.stop();
    for (const pid of engines) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });

  it('leaves no engine behind when it is killed itself', async () => {
    const server = await TestServer.start();
    const engines = server.process.enginePids;
    server.process.kill('SIGKILL');
    await eventually('the engines have ended', () => engines.every(isGone));
    await assert.rejects(server.stop());
  });
});

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
