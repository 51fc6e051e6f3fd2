import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TestServer } from './server.ts';
import { synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DEFAULT_URL = 'http://127.0.0.1:8080';

describe('the samples of docs/client.md', () => {
  let server: TestServer;
  let folder: string;
  let introduction: string;
  let samples: readonly { readonly name: string; readonly code: string }[];

  before(async () => {
    server = await TestServer.start();
    folder = await mkdtemp(path.join(tmpdir(), 'earshot-docs-'));
    await copyFile(await synthesize(SENTENCES.river), path.join(folder, 'recording.wav'));
    const page = await readFile(path.join(ROOT, 'docs/client.md'), 'utf8');
    const all = [...page.matchAll(/(?:^## (?<heading>.*)$)|(?:^```js\n(?<code>[^]*?)^```$)/gm)];
    let name = '';
    const blocks = all.flatMap(({ groups }) => {
      if (groups?.['heading'] !== undefined) name = groups['heading'];
      return groups?.['code'] === undefined ? [] : [{ name, code: groups['code'] }];
    });
    introduction = blocks[0]?.code ?? '';
    samples = blocks.slice(1);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('run as they stand, and hear what was said', async () => {
    assert.deepEqual(samples.map(({ name }) => name), ['A recording', 'A recording', 'Live, from bytes', 'Viewers']);
    for (const { name, code } of samples) {
      // Evaluated where the package's own name leads to it; the recording is elsewhere.
      const script = `${introduction}${code}`.replace(DEFAULT_URL, server.url).replaceAll("'recording.wav'", JSON.stringify(path.join(folder, 'recording.wav')));
      const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: ROOT, env: { ...process.env, EARSHOT_API_KEY: server.apiKey }, timeout: 60_000 });
      const said = stdout.split('\n').filter((line) => !line.startsWith('~') && line.length > 30).join(' ').replace(/^= /, '');
      assert.ok(wordErrors(SENTENCES.river, said.replace(/ \d+$/, '')).rate <= MAX_WORD_ERROR_RATE, `${name}: ${stdout}`);
    }
    await server.idle();
  });
});
