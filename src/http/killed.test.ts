import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { bytesOf } from '../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../core/testing/audio.ts';
import { openDataFolder } from '../stores/data-folder.ts';
import { BASE, KEY } from './testing/server.ts';

/* The server with its jobs, sessions and store is killed while clients of all kinds are at work. What it told them is still so at the next start. */

const KILLS = 3;
const MAX_LIFE_MS = 500;
const BITS = 7;
const WORD_MS = 500;
const KINDS = ['job', 'file', 'stream'] as const;
type Kind = (typeof KINDS)[number];

/** What a client was told. */
interface Told {
  readonly kind: Kind;
  readonly jobId: string;
  readonly speech: Speech;
  /** The finals that came; all of them if `isOver`. */
  readonly finals: readonly string[];
  readonly isOver: boolean;
}

interface Speech {
  readonly audio: Uint8Array<ArrayBuffer>;
  readonly text: string;
}

let speeches = 0;

/** Two utterances that hardly any other client says. */
function newSpeech(): Speech {
  const number = (speeches += 1);
  const said = [true, false, false, true, ...Array.from({ length: BITS }, (_, bit) => (number & (1 << bit)) !== 0)];
  const audio = Uint8Array.from(bytesOf(joined(...said.map((isLoud) => (isLoud ? loud(WORD_MS) : quiet(WORD_MS))), quiet(1000))));
  return { audio, text: said.flatMap((isLoud, slot) => (isLoud ? `w${String(slot)}` : [])).join(' ') };
}

async function upload(url: string, kind: 'job' | 'file', told: Told[]): Promise<void> {
  const speech = newSpeech();
  const form = new FormData();
  form.set('file', new Blob([speech.audio]), 'a.pcm');
  if (kind === 'job') form.set('force_async', 'true');
  const answer = await fetch(`${url}${BASE}/transcribe`, { method: 'POST', headers: { authorization: `Bearer ${KEY}` }, body: form });
  const { data } = (await answer.json()) as { readonly data: { readonly job_id: string; readonly transcript?: string } };
  assert.equal(answer.status, kind === 'job' ? 202 : 200);
  told.push({ kind, jobId: data.job_id, speech, finals: kind === 'job' ? [] : [data.transcript ?? ''], isOver: kind === 'file' });
}

async function stream(url: string, told: Told[]): Promise<void> {
  const speech = newSpeech();
  const socket = new WebSocket(`${url.replace('http', 'ws')}${BASE}/stream/transcribe?token=${KEY}`);
  const finals: string[] = [];
  let jobId = '';
  const state = { isOver: false };
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { readonly type: string; readonly job_id?: string; readonly is_final?: boolean; readonly text?: string };
    jobId = frame.job_id ?? jobId;
    if (frame.is_final === true) finals.push(frame.text ?? '');
    state.isOver ||= frame.type === 'closed';
  });
  const closed = once(socket, 'close');
  socket.once('open', () => {
    socket.send('{"type":"open","media_type":"audio/pcm"}');
    socket.send(speech.audio);
    socket.send('{"type":"close"}');
  });
  await closed;
  if (finals.length > 0) told.push({ kind: 'stream', jobId, speech, finals, isOver: state.isOver });
  if (!state.isOver) throw new Error('the server is gone');
}

/** One life of a server, with clients that go on until it is killed. */
async function live(dataDir: string, told: Told[], lifeMs: number): Promise<void> {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'testing', 'mortal-server.ts'), dataDir], { stdio: ['ignore', 'pipe', 'pipe'] });
  let faults = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => (faults += text));
  const exited = once(server, 'exit');
  const [line] = (await Promise.race([once(server.stdout, 'data'), exited])) as [Buffer | number];
  assert.ok(Buffer.isBuffer(line), faults);
  const url = line.toString().trim();
  let isDead = false;
  const clients = KINDS.map(async (kind) => {
    while (!isDead) {
      // A server that is killed tells nobody anything.
      await (kind === 'stream' ? stream(url, told) : upload(url, kind, told)).catch((error: unknown) => {
        if (error instanceof assert.AssertionError) throw error;
        isDead = true;
      });
    }
  });
  await pause(lifeMs);
  server.kill('SIGKILL');
  await exited;
  isDead = true;
  await Promise.all(clients);
  assert.equal(faults, '');
}

/** Everything that was told is so. */
async function examine(dataDir: string, told: readonly Told[]): Promise<void> {
  const data = await openDataFolder(dataDir);
  const { store, blobs } = data;
  const statuses: string[] = [];
  for (const { kind, jobId, speech, finals, isOver } of told) {
    const job = await store.jobs.get('default', jobId);
    assert.ok(job, `${kind} ${jobId} is lost`);
    statuses.push(job.status);
    const text = (await store.transcripts.get('default', jobId))?.transcript.utterances.map((each) => each.text).join(' ');
    if (job.status === 'completed' && (kind !== 'stream' || isOver)) assert.equal(text, speech.text, `${kind} ${jobId}`);
    else if (kind === 'stream') assert.ok(text?.startsWith(finals.join(' ')), `${String(text)} / ${finals.join(' ')}`);
    else if (job.source.kind === 'upload') assert.ok(Buffer.concat(await Array.fromAsync(blobs.read(job.source.blob))).equals(speech.audio), `the audio of ${jobId}`);
    if (kind === 'file') assert.equal(job.status, 'completed');
  }
  assert.ok(!statuses.includes('failed'));
  for (const kind of KINDS) assert.ok(told.some((each) => each.kind === kind), `no ${kind} came to anything`);
  assert.ok(statuses.filter((status) => status === 'completed').length > KILLS);
  await data.close();

  const database = new DatabaseSync(join(dataDir, 'earshot.sqlite'));
  const column = (sql: string): unknown[] => database.prepare(sql).all().map((row) => Object.values(row)[0]);
  assert.deepEqual([column('PRAGMA integrity_check'), column('PRAGMA foreign_key_check')], [['ok'], []]);
  assert.deepEqual(column("SELECT id FROM jobs WHERE status = 'completed' AND id NOT IN (SELECT jobId FROM transcripts)"), [], 'a job without its transcript');
  const heard = (transport: string): number => Number(column(`SELECT count(*) FROM usage WHERE heardSamples > 0 AND transport = '${transport}'`)[0]);
  const over = (kind: Kind): number => told.filter((each) => each.kind === kind && each.isOver).length;
  assert.ok(heard('http') >= over('file') && heard('websocket') >= over('stream'), 'usage is lost');
  assert.deepEqual(column("SELECT id FROM jobs WHERE status = 'completed' AND json_extract(source, '$.kind') = 'upload' AND id NOT IN (SELECT jobId FROM usage WHERE jobId IS NOT NULL)"), []);
  database.close();
}

test('a server that is killed again and again keeps every job, transcript and usage that it told of', { timeout: 120_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'earshot-mortal-'));
  try {
    const told: Told[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) await live(dataDir, told, Math.random() * MAX_LIFE_MS);
    // The last one takes up what the one before left.
    await live(dataDir, told, MAX_LIFE_MS);
    const again: Told[] = [];
    await live(dataDir, again, 0);
    await examine(dataDir, [...told, ...again]);
  } finally {
    await rm(dataDir, { recursive: true });
  }
});
