import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { encode, onlyResources, processResources, withTempDir } from '../media/containers/fixtures.ts';
import { createAudioDecoder } from '../media/containers/index.ts';
import { ERRORS } from './core/errors.ts';
import type { JobRecord } from './core/store/jobs.ts';
import { eventually } from './core/testing/eventually.ts';
import { BASE, KEY, startServer, type ErrorAnswer } from './http/testing/server.ts';

/* Recordings in every container, cut off and damaged, sent by every way in to the server with its real decoders. Whatever they are, the answer is a transcript or one of our codes. */

const RUNS_PER_CONTAINER = 12;

/** How ffmpeg is told to write each; what the `open` of a stream calls it. */
const CONTAINERS = {
  'a.wav': { args: ['-c:a', 'pcm_s16le'], mediaType: 'audio/wav' },
  'mulaw.wav': { args: ['-c:a', 'pcm_mulaw', '-ar', '8000'], mediaType: 'audio/wav' },
  'a.flac': { args: [], mediaType: 'audio/flac' },
  'opus.ogg': { args: ['-c:a', 'libopus'], mediaType: 'audio/ogg' },
  'vorbis.ogg': { args: ['-c:a', 'libvorbis'], mediaType: 'audio/ogg' },
  'a.mp3': { args: ['-c:a', 'libmp3lame'], mediaType: 'audio/mpeg' },
  'a.m4a': { args: ['-c:a', 'aac'], mediaType: 'audio/mp4' },
  'streamed.m4a': { args: ['-c:a', 'aac', '-movflags', '+faststart'], mediaType: 'audio/mp4' },
  'fragments.mp4': { args: ['-c:a', 'aac', '-movflags', 'frag_keyframe+empty_moov'], mediaType: 'audio/mp4' },
  'a.webm': { args: ['-c:a', 'libopus'], mediaType: 'audio/webm' },
} as const;

type Name = keyof typeof CONTAINERS;

const resources = processResources();
const tempDir = await mkdtemp(join(tmpdir(), 'earshot-containers-'));
const server = await startServer({ decode: createAudioDecoder({ tempDir }), maxSessions: 50, maxQueuedJobs: 1000 });
after(async () => {
  await server.close();
  await rm(tempDir, { recursive: true });
});
const headers = { authorization: `Bearer ${KEY}` };

/** A second and a half of a loud tone between silences. */
const recordings = await withTempDir(async (dir) => {
  const tone = ['-f', 'lavfi', '-i', 'sine=frequency=300:duration=1.5', '-af', 'adelay=300,apad=pad_dur=0.5,volume=4', '-ac', '1'];
  const files = Object.entries(CONTAINERS).map(async ([name, { args }]) => [name, await readFile(encode(dir, name, ...tone, ...args))] as const);
  return Object.fromEntries(await Promise.all(files)) as Readonly<Record<Name, Buffer>>;
});

// ---- what is sent

const place = fc.double({ min: 0, max: 1, noNaN: true });
/** Most of what a decoder trusts is at the beginning. */
const early = place.map((share) => share ** 4);
const anywhere = fc.oneof(place, early);
type Harm = (bytes: Buffer) => Buffer;
const at = (bytes: Buffer, share: number): number => Math.min(bytes.length, Math.floor(share * bytes.length));

const harm: fc.Arbitrary<Harm> = fc.oneof(
  fc.constant<Harm>((bytes) => bytes),
  anywhere.map<Harm>((end) => (bytes) => bytes.subarray(0, at(bytes, end))),
  anywhere.map<Harm>((start) => (bytes) => bytes.subarray(at(bytes, start))),
  fc.array(fc.tuple(anywhere, fc.nat(255)), { minLength: 1, maxLength: 20 }).map<Harm>((changes) => (bytes) => {
    const changed = Buffer.from(bytes);
    for (const [where, value] of changes) if (changed.length > 0) changed[Math.min(changed.length - 1, at(changed, where))] = value;
    return changed;
  }),
  fc.tuple(anywhere, fc.uint8Array({ minLength: 1, maxLength: 64 })).map<Harm>(([where, junk]) => (bytes) => Buffer.concat([bytes.subarray(0, at(bytes, where)), junk, bytes.subarray(at(bytes, where))])),
  fc.tuple(anywhere, anywhere).map<Harm>(([one, other]) => (bytes) => Buffer.concat([bytes.subarray(0, at(bytes, Math.min(one, other))), bytes.subarray(at(bytes, Math.max(one, other)))])),
  fc.tuple(anywhere, fc.constantFrom(0, 0xff), fc.integer({ min: 1, max: 16 })).map<Harm>(([where, value, length]) => (bytes) => {
    const filled = Buffer.from(bytes);
    filled.fill(value, at(filled, where), Math.min(filled.length, at(filled, where) + length));
    return filled;
  }),
  fc.tuple(fc.constantFrom(...(Object.keys(CONTAINERS) as Name[])), anywhere).map<Harm>(([other, where]) => (bytes) => Buffer.concat([bytes.subarray(0, at(bytes, where)), recordings[other]])),
);
const damaged = fc.array(harm, { minLength: 1, maxLength: 2 }).map((all): Harm => (bytes) => all.reduce((harmed, each) => each(harmed), bytes));

// ---- by which way, and what comes back

interface Answered {
  readonly code: string | undefined;
  readonly about: string;
}

async function answered(response: Response): Promise<Answered> {
  const body = await response.text();
  const about = `${String(response.status)} ${body.slice(0, 300)}`;
  if (response.ok) return { code: undefined, about };
  assert.ok(response.status < 500, about);
  return { code: (JSON.parse(body) as Partial<ErrorAnswer>).error?.code ?? 'none', about };
}

function form(bytes: Buffer, fields: Readonly<Record<string, string>> = {}): FormData {
  const parts = new FormData();
  for (const [name, value] of Object.entries(fields)) parts.set(name, value);
  parts.set('file', new Blob([Uint8Array.from(bytes)]), 'recording');
  return parts;
}

/** On a connection of its own: one that was kept alive may be closed by the server in the moment in which it is used again. */
async function post(path: string, body: FormData | Buffer): Promise<Response> {
  const encoded = new Response(body instanceof FormData ? body : Uint8Array.from(body));
  const bytes = Buffer.from(await encoded.arrayBuffer());
  const type = encoded.headers.get('content-type');
  const outgoing = request(`${server.url}${path}`, { method: 'POST', agent: false, headers: { ...headers, 'content-length': String(bytes.length), ...(type !== null && { 'content-type': type }) } });
  outgoing.end(bytes);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  return new Response(await text(answer), { status: answer.statusCode ?? 0 });
}

const WAYS: Readonly<Record<string, (bytes: Buffer, name: Name) => Promise<Answered>>> = {
  upload: async (bytes) => answered(await post(`${BASE}/transcribe`, form(bytes))),
  job: async (bytes) => {
    const queued = await post(`${BASE}/transcribe`, form(bytes, { force_async: 'true' }));
    if (queued.status !== 202) return answered(queued);
    const { data } = (await queued.json()) as { readonly data: { readonly job_id: string } };
    let job: JobRecord | undefined;
    await eventually(async () => {
      job = await server.store.jobs.get('default', data.job_id);
      return job?.status === 'completed' || job?.status === 'failed';
    });
    return { code: job?.error?.code, about: JSON.stringify(job) };
  },
  stream: (bytes, name) => stream(bytes, { media_type: CONTAINERS[name].mediaType }),
  'OpenAI upload': async (bytes) => {
    const response = await post('/v1/audio/transcriptions', form(bytes, { model: 'whisper-1' }));
    const about = `${String(response.status)} ${await response.text()}`;
    assert.ok(response.status < 500, about);
    return { code: undefined, about };
  },
  'Deepgram body': async (bytes) => {
    const response = await post('/v1/listen', bytes);
    const about = `${String(response.status)} ${await response.text()}`;
    assert.ok(response.status < 500, about);
    return { code: undefined, about };
  },
};

async function stream(bytes: Buffer, open: object): Promise<Answered> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/stream/transcribe`, { headers });
  const frames: { readonly type: string; readonly code?: string }[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as { readonly type: string }));
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.send(JSON.stringify({ type: 'open', ...open }));
  for (let from = 0; from < bytes.length; from += 4000) socket.send(bytes.subarray(from, from + 4000));
  socket.send('{"type":"close"}');
  const closeCode = await closed;
  const last = frames.at(-1);
  const about = `closed with ${String(closeCode)} after ${JSON.stringify(last)}`;
  if (closeCode === 1000) assert.equal(last?.type, 'closed', about);
  else assert.equal(last?.type, 'error', about);
  return { code: last.code, about };
}

/** A recording may be found wanting, never the server. */
function assertOwn({ code, about }: Answered, way: string, name: string): void {
  if (code === undefined) return;
  assert.ok(code in ERRORS && code.startsWith('AUDIO_'), `${name} by ${way}: ${about}`);
}

for (const name of Object.keys(CONTAINERS) as Name[]) {
  test(`${name}: whole it is heard by every way, damaged it is heard or refused as what it is`, async () => {
    for (const [way, send] of Object.entries(WAYS)) {
      const { code, about } = await send(recordings[name], name);
      assert.equal(code, undefined, `${way}: ${about}`);
      assert.doesNotMatch(about, /^4/, `${way}: ${about}`);
    }
    await fc.assert(
      fc.asyncProperty(damaged, fc.constantFrom(...Object.keys(WAYS)), async (damage, way) => {
        assertOwn(await WAYS[way]!(damage(recordings[name]), name), way, name);
      }),
      { numRuns: RUNS_PER_CONTAINER },
    );
  });
}

test('after all of that nothing is left and nothing was a fault', async () => {
  await eventually(() => server.sessions.size === 0 && server.recognizer.openStreams === 0 && server.webSockets.size === 0);
  await eventually(async () => (await Array.fromAsync(server.blobs.names())).length === 0);
  assert.deepEqual(server.logged.filter((line) => line.startsWith('error')), []);
  assert.deepEqual(await readdir(tempDir), []);
  await onlyResources(resources);
});
