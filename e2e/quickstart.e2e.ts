import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { transcribed } from './clients/rest.ts';
import { type Sample, type Section, samplesOf } from './clients/samples.ts';
import { type Frame, type Segment, textOf } from './clients/wire.ts';
import { TestServer } from './server.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
/** Below the clone, so that Node samples find its packages. */
const CACHE = path.join(ROOT, '.cache');
const ADDRESS_ON_THE_PAGE = 'http://127.0.0.1:8080';
const TIMEOUT_MS = 120_000;

const execute = promisify(execFile);

/** A Python that can run the samples; which is first on the path is anybody's guess. */
function findPython(): string | undefined {
  return ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', 'import httpx, websockets']).status === 0);
}

const hasProgram = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;

const framesOf = (output: string): Frame[] => output.trim().split('\n').map((line) => JSON.parse(line) as Frame);

/** What the answers hold, each some of it. */
interface Data {
  readonly allowed_backends: string;
  readonly default_backend: string;
  readonly transcript: string;
  readonly status: string;
  readonly segments: readonly Segment[];
  readonly speaker_id: string;
  readonly speakers: readonly { readonly display_name: string; readonly status: string; readonly failure_reason: string | null }[];
}

const dataOf = (output: string): Data => (JSON.parse(output) as { readonly data: Data }).data;

/** The page's own commands in its own order; only the address of the server is another. */
describe('the quickstart page', async () => {
  const sections = samplesOf(await readFile(path.join(ROOT, 'docs/quickstart.md'), 'utf8'));
  const python = findPython();
  let server: TestServer;
  let folder: string;
  let expected: string;

  before(async () => {
    await mkdir(CACHE, { recursive: true });
    folder = await mkdtemp(path.join(CACHE, 'quickstart-'));
    server = await TestServer.start({ dataDir: path.join(folder, 'data') });
    for (const { samples } of sections) {
      for (const { file, code } of samples) if (file !== undefined) await writeFile(path.join(folder, file), code);
    }
    await run('');
    expected = (await transcribed(server, await readFile(path.join(folder, 'meeting.wav')))).transcript;
    assert.match(expected, /thank you for coming to the meeting today$/);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs one command after what the page says first, as a reader's shell would; resolves with what it printed. */
  async function run(command: string): Promise<string> {
    const [setup = assert.fail('no setup')] = section('').samples;
    assert.ok(setup.code.includes(ADDRESS_ON_THE_PAGE));
    // The recording is made once.
    const exports = command === '' ? setup.code : setup.code.replaceAll(/^(?!export ).*\n/gm, '');
    // Whatever is first on the path, it is this Python that has the packages.
    const usePython = `python3() { command '${python ?? 'python3'}' "$@"; }`;
    const script = `set -eu\n${usePython}\n${exports.replace(ADDRESS_ON_THE_PAGE, server.url)}\n${command}`;
    const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env['PATH'] ?? ''}` };
    const { stdout } = await execute('bash', ['-c', script], { cwd: folder, env, timeout: TIMEOUT_MS });
    return stdout;
  }

  function section(start: string): Section {
    return sections.find(({ title }) => (start === '' ? title === '' : title.startsWith(start))) ?? assert.fail(`no section ${start}`);
  }

  function command(start: string, word: string): Sample {
    return section(start).samples.find(({ language, code }) => language === 'sh' && code.includes(word)) ?? assert.fail(`no command with ${word} in ${start}`);
  }

  function assertWhole(frames: readonly Frame[]): void {
    assert.equal(frames[0]?.type, 'ready');
    assert.equal(frames.at(-1)?.type, 'closed');
    assert.equal(textOf(frames.filter((frame) => frame.type === 'delta').filter(({ is_final }) => is_final)), expected);
  }

  const withPython = python === undefined && { skip: 'no python3 with httpx and websockets' };
  const withWebsocat = !hasProgram('websocat') && { skip: 'no websocat' };

  it('runs every command it shows', () => {
    const commands = sections.slice(1).flatMap(({ samples }) => samples).filter(({ language }) => language === 'sh');
    assert.equal(commands.length, 11);
    const files = sections.flatMap(({ samples }) => samples).flatMap(({ file }) => file ?? []);
    for (const file of files) assert.ok(commands.some(({ code }) => code.trim().endsWith(` ${file}`)), file);
  });

  it('1: shows the policy', async () => {
    const policy = dataOf(await run(command('1.', 'tenant-policy').code));
    assert.deepEqual([policy.allowed_backends, policy.default_backend], ['AB', 'A']);
  });

  it('2: transcribes a file with curl', async () => {
    assert.equal(dataOf(await run(command('2.', 'curl').code)).transcript, expected);
  });
  it('2: with Python', { ...withPython }, async () => {
    assert.equal((await run(command('2.', 'python3').code)).trim(), expected);
  });
  it('2: with Node', async () => {
    assert.equal((await run(command('2.', 'node ').code)).trim(), expected);
  });

  it('3: waits for a job', async () => {
    const job = dataOf(await run(command('3.', 'JOB_ID').code));
    assert.deepEqual([job.status, job.transcript], ['completed', expected]);
  });

  it('4: streams with Python', { ...withPython }, async () => {
    assertWhole(framesOf(await run(command('4.', 'python3').code)));
  });
  it('4: with Node', async () => {
    assertWhole(framesOf(await run(command('4.', 'node ').code)));
  });
  it('4: with websocat', { ...withWebsocat }, async () => {
    assertWhole(framesOf(await run(command('4.', 'websocat').code)));
  });

  it('5: enrols a speaker, who is then named', async () => {
    const enrolled = dataOf(await run(command('5.', 'consent_text').code));
    assert.equal(enrolled.status, 'pending');
    const listed = dataOf(await run(command('5.', 'while').code));
    assert.deepEqual(listed.speakers.map(({ display_name, status, failure_reason }) => [display_name, status, failure_reason]), [['Alice', 'ready', null]]);
    const { segments } = dataOf(await run(command('5.', 'diarize').code));
    assert.deepEqual(new Set(segments.map(({ speaker, speaker_id }) => `${speaker} ${speaker_id}`)), new Set([`Alice ${enrolled.speaker_id}`]));
  });
});
