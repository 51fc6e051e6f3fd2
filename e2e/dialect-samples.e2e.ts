import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { samplesOf } from './clients/samples.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
/** Below the clone, so that Node samples find its packages. */
const CACHE = path.join(ROOT, '.cache');
const TIMEOUT_MS = 120_000;
const execute = promisify(execFile);
const python = ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', 'import websockets']).status === 0);
const withPython = python === undefined && { skip: 'no python3 with websockets' };

/** The commands of the pages as they are shown, with address and key of the server in the environment. */
describe('samples on the pages of other services’ protocols', { timeout: 4 * TIMEOUT_MS }, () => {
  let server: TestServer;
  let folder: string;
  const commands: string[] = [];

  before(async () => {
    await mkdir(CACHE, { recursive: true });
    folder = await mkdtemp(path.join(CACHE, 'samples-'));
    for (const page of ['audiopod', 'gladia', 'pulse']) {
      for (const { language, code, file } of samplesOf(await readFile(path.join(ROOT, `docs/dialects/${page}.md`), 'utf8')).flatMap(({ samples }) => samples)) {
        if (file !== undefined) await writeFile(path.join(folder, file), code);
        if (language === 'sh') commands.push(code);
      }
    }
    await copyFile(await synthesize(SENTENCES.river), path.join(folder, 'meeting.wav'));
    server = await TestServer.start();
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(word: string): Promise<string> {
    const command = commands.find((each) => each.includes(word)) ?? assert.fail(`no command with ${word}`);
    const script = `set -eu\npython3() { command '${python ?? 'python3'}' "$@"; }\n${command}`;
    const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env['PATH'] ?? ''}`, EARSHOT_URL: server.url, EARSHOT_API_KEY: server.apiKey };
    return (await execute('bash', ['-c', script], { cwd: folder, env, timeout: TIMEOUT_MS })).stdout;
  }

  function assertSaid(text = ''): void {
    assert.ok(wordErrors(SENTENCES.river, text).rate <= MAX_WORD_ERROR_RATE, text);
  }

  it('AudioPod, in Python: live, and the job', { ...withPython }, async () => {
    const [text, credits, ...subtitles] = (await run('audiopod.py')).split('\n');
    assertSaid(text);
    assert.match(credits ?? '', /^credits: \d+$/);
    assert.match(subtitles.join('\n'), /^1\n00:00:00,\d{3} --> /);
  });

  it('Pulse, in Python: two turns on one socket', { ...withPython }, async () => {
    const lines = (await run('pulse.py')).trim().split('\n');
    for (const turn of ['1', '2']) assertSaid(lines.filter((line) => line.startsWith(`${turn} `)).map((line) => line.slice(2)).join(' '));
    assert.equal(lines.at(-1), 'end');
  });

  it('Pulse, with curl: a file', async () => {
    assertSaid((JSON.parse(await run('curl "')) as { transcription: string }).transcription);
  });

  it('Gladia, with and without its package', async () => {
    const lines = (await run('gladia.mjs')).trim().split('\n');
    assert.equal(lines.pop(), 'ended with 1000');
    assertSaid(lines.map((line) => /^00_\d{8}: (.*)$/.exec(line)?.[1]).join(' '));
    assertSaid(await run('gladia-socket.mjs'));
  });

  it('Gladia, with curl: a recording', async () => {
    const { result_url: url } = JSON.parse(await run('/v2/pre-recorded')) as { result_url: string };
    const done = await eventually('the job is done', async () => {
      const job = (await (await fetch(url, { headers: { 'x-gladia-key': server.apiKey } })).json()) as { status: string; result: { transcription: { full_transcript: string } } };
      return job.status === 'done' ? job : undefined;
    });
    assertSaid(done.result.transcription.full_transcript);
  });
});
