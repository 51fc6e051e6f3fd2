import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

describe('the samples of docs/client.md, in an empty project that has the packed client', () => {
  let server: TestServer;
  let folder: string;
  let introduction: string;
  let samples: readonly { readonly name: string; readonly code: string }[];

  before(async () => {
    server = await TestServer.start();
    folder = await mkdtemp(path.join(tmpdir(), 'earshot-docs-'));
    await copyFile(await synthesize(SENTENCES.river), path.join(folder, 'recording.wav'));
    await writeFile(path.join(folder, 'package.json'), '{"private":true,"type":"module"}');
    const { stdout } = await run('npm', ['pack', path.join(ROOT, 'client'), '--json'], { cwd: folder });
    const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ readonly filename: string }];
    await run('npm', ['install', '--offline', `./${filename}`], { cwd: folder });
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
      await writeFile(path.join(folder, 'sample.js'), `${introduction}${code}`.replace(DEFAULT_URL, server.url));
      const { stdout } = await run(process.execPath, ['sample.js'], { cwd: folder, env: { ...process.env, EARSHOT_API_KEY: server.apiKey }, timeout: 60_000 });
      const said = stdout.split('\n').filter((line) => !line.startsWith('~') && line.length > 30).join(' ').replace(/^= /, '');
      assert.ok(wordErrors(SENTENCES.river, said.replace(/ \d+$/, '')).rate <= MAX_WORD_ERROR_RATE, `${name}: ${stdout}`);
    }
    await server.idle();
  });

  it('are right in TypeScript, with no types but the standard ones', async () => {
    const page = await readFile(path.join(ROOT, 'docs/client.md'), 'utf8');
    const code = /^```ts\n([^]*?)^```$/m.exec(page)?.[1] ?? '';
    // What a bundler makes of the address of a file, and what a page does with text.
    await writeFile(path.join(folder, 'bundler.d.ts'), "declare module '*?worker&url' { const url: string; export default url; }\ndeclare function show(text: string, isFinal: boolean): void;");
    await writeFile(path.join(folder, 'microphone.ts'), code);
    const compilerOptions = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler', types: [] };
    await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['microphone.ts', 'bundler.d.ts'] }));
    await run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], { cwd: folder }).catch((error: unknown) => {
      assert.fail((error as { readonly stdout: string }).stdout);
    });
  });
});
