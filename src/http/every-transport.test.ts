import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { WebSocket } from 'ws';
import { NO_STATS } from '../../signaling/testing/fake-engine.ts';
import { bytesOf } from '../../signaling/testing/raw-decoder.ts';
import { PERMISSIONS } from '../core/principal.ts';
import type { TenantPolicy } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { FedSource, joined, loud, quiet, settle } from '../core/testing/audio.ts';
import { eventually } from '../core/testing/eventually.ts';
import { OPERATOR } from '../tenancy/testing/tenancy.ts';
import { BASE, startServer, type TestServer } from './testing/server.ts';

/* One door for all: a tenant's limits hold whichever way it comes in, over real HTTP and WebSockets. */

/** What came of one call: the text, or the status or close code and what was said with it. */
interface Outcome {
  readonly refused?: number;
  /** Everything that the client was sent. */
  readonly said: string;
}

interface Caller {
  readonly server: TestServer;
  readonly key: string;
}

type Way = (caller: Caller, samples: Int16Array) => Promise<Outcome>;

const bearer = ({ key }: Caller): Record<string, string> => ({ authorization: `Bearer ${key}` });

async function answered(response: Response): Promise<Outcome> {
  const said = await response.text();
  return response.ok ? { said } : { refused: response.status, said };
}

function form(samples: Int16Array, fields: Readonly<Record<string, string>> = {}): FormData {
  const parts = new FormData();
  for (const [name, value] of Object.entries(fields)) parts.set(name, value);
  parts.set('file', new Blob([Uint8Array.from(bytesOf(samples))]), 'speech');
  return parts;
}

/** A file in a form, answered at once. */
const upload = (path: string, fields: Readonly<Record<string, string>> = {}): Way => async (caller, samples) =>
  answered(await fetch(`${caller.server.url}${path}`, { method: 'POST', headers: bearer(caller), body: form(samples, fields) }));

/** The body is the file. */
const body = (path: string): Way => async (caller, samples) =>
  answered(await fetch(`${caller.server.url}${path}`, { method: 'POST', headers: { ...bearer(caller), 'content-type': 'audio/wav' }, body: Uint8Array.from(bytesOf(samples)) }));

/** A job of the native API or of AudioPod's: what is told is how the job ended. */
const job = (path: string, fields: Readonly<Record<string, string>>): Way => async (caller, samples) => {
  const queued = await upload(path, fields)(caller, samples);
  if (queued.refused !== undefined) return queued;
  const { store } = caller.server;
  await eventually(async () => (await store.jobs.list('acme', {}, { limit: 1 })).items.every(({ status }) => status !== 'queued' && status !== 'running'));
  const [record] = (await store.jobs.list('acme', {}, { limit: 1 })).items;
  const kept = await store.transcripts.get('acme', record?.id ?? '');
  const text = kept?.transcript.utterances.map((each) => each.text).join(' ') ?? '';
  return record?.error ? { refused: 0, said: `${text} ${record.error.code}` } : { said: text };
};

interface Talk {
  readonly start?: readonly (string | object)[];
  readonly audio?: (bytes: Buffer) => Buffer | string;
  readonly end: object;
  /** The server does not close at the end: the client does, when it was told this. */
  readonly until?: RegExp;
}

/** Speaks on a WebSocket of the address. */
async function talk(url: string, { start = [], audio = (bytes) => bytes, end, until }: Talk, samples: Int16Array, headers: Record<string, string> = {}): Promise<Outcome> {
  const socket = new WebSocket(url, { headers });
  let said = '';
  const refusal = new Promise<Outcome>((resolve) => {
    socket.once('unexpected-response', (_request, response) => {
      response.setEncoding('utf8').on('data', (text: string) => (said += text));
      response.on('end', () => {
        resolve({ refused: response.statusCode ?? 0, said });
      });
    });
  });
  socket.on('message', (frame: Buffer) => {
    said += `${frame.toString()}\n`;
    if (until?.test(said) === true) socket.close(1000);
  });
  socket.on('error', () => undefined);
  const closed = once(socket, 'close').then(([code]): Outcome => ((code as number) === 1000 ? { said } : { refused: code as number, said }));
  const opened = await Promise.race([once(socket, 'open').then(() => true), refusal.then(() => false)]);
  if (!opened) return refusal;
  for (const message of start) socket.send(JSON.stringify(message));
  const bytes = Buffer.from(bytesOf(samples));
  for (let from = 0; from < bytes.length; from += 6400) socket.send(audio(bytes.subarray(from, from + 6400)));
  socket.send(JSON.stringify(end));
  return closed;
}

const stream = (path: string, how: Talk): Way => (caller, samples) => talk(`${caller.server.url.replace('http', 'ws')}${path}`, how, samples, bearer(caller));

/** A track of a peer that is made by posting an offer; what is told is the job that the session becomes. */
const track = (path: string, type: string, offer: string): Way => async (caller, samples) => {
  const { server } = caller;
  const peers = server.engine.peers.length;
  const made = await answered(await fetch(`${server.url}${path}`, { method: 'POST', headers: { ...bearer(caller), 'content-type': type }, body: offer }));
  if (made.refused !== undefined) return made;
  const peer = server.engine.peers[peers];
  peer?.handlers.track({ label: 'mic', source: new FedSource().pcm(samples).end(), stats: () => NO_STATS });
  await settle();
  await peer?.close();
  await eventually(async () => (await server.store.jobs.list('acme', {}, { limit: 1 })).items.length > 0);
  await server.recorder.settled();
  const [record] = (await server.store.jobs.list('acme', {}, { limit: 1 })).items;
  const kept = await server.store.transcripts.get('acme', record?.id ?? '');
  const text = kept?.transcript.utterances.map((each) => each.text).join(' ') ?? '';
  return record?.error ? { refused: 0, said: `${text} ${record.error.code}` } : { said: text };
};

const gladia: Way = async (caller, samples) => {
  const begun = await answered(await fetch(`${caller.server.url}/v2/live`, { method: 'POST', headers: { 'x-gladia-key': caller.key, 'content-type': 'application/json' }, body: '{}' }));
  if (begun.refused !== undefined) return begun;
  const { url } = JSON.parse(begun.said) as { readonly url: string };
  return talk(url, { end: { type: 'stop_recording' } }, samples);
};

const mcp: Way = async (caller, samples) => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${caller.server.url}/mcp`), { requestInit: { headers: bearer(caller) } }));
  const result = await client.callTool({ name: 'transcribe', arguments: { audio: Buffer.from(bytesOf(samples)).toString('base64') } });
  await client.close();
  const said = JSON.stringify(result.content);
  return result.isError === true ? { refused: 0, said } : { said };
};

const OFFER = JSON.stringify({ sdp: { type: 'offer', sdp: 'offer' } });
const EVENT_AUDIO = (bytes: Buffer): string => JSON.stringify({ type: 'input_audio_buffer.append', audio: bytes.toString('base64') });

/** Statuses and close codes where the tenant has its sessions already, where its budget is used up while it speaks, and when it was before. 0: as an error of its own. */
type Refusals = readonly [tooMany: number | undefined, whileItSpeaks: number | undefined, before: number];

const WAYS: Readonly<Record<string, { readonly way: Way; readonly refusals: Refusals }>> = {
  'POST transcribe': { way: upload(`${BASE}/transcribe`), refusals: [429, 402, 402] },
  // Jobs wait for their turn; they are not refused.
  'a job': { way: job(`${BASE}/transcribe`, { force_async: 'true' }), refusals: [undefined, 0, 0] },
  'the native stream': { way: stream(`${BASE}/stream/transcribe`, { start: [{ type: 'open', media_type: 'audio/pcm' }], end: { type: 'close' } }), refusals: [1013, 1008, 1008] },
  WebRTC: { way: track(`${BASE}/webrtc/sessions`, 'application/json', OFFER), refusals: [429, 0, 402] },
  WHIP: { way: track('/whip', 'application/sdp', 'offer'), refusals: [429, 0, 402] },
  MCP: { way: mcp, refusals: [0, 0, 0] },
  'OpenAI files': { way: upload('/v1/audio/transcriptions', { model: 'whisper-1' }), refusals: [429, 429, 429] },
  'OpenAI files, at ScaiGrid’s path': { way: upload('/oai/v1/audio/transcriptions', { model: 'whisper-1' }), refusals: [429, 429, 429] },
  'OpenAI realtime': {
    way: stream('/v1/realtime?intent=transcription', { audio: EVENT_AUDIO, end: { type: 'input_audio_buffer.commit' }, until: /completed.*w6 w7/ }),
    refusals: [1013, 1008, 1008],
  },
  'OpenAI calls': { way: track('/v1/realtime/calls', 'application/sdp', 'offer'), refusals: [429, 0, 429] },
  'Deepgram recordings': { way: body('/v1/listen'), refusals: [429, 402, 402] },
  'Deepgram streams': { way: stream('/v1/listen?encoding=linear16&sample_rate=16000', { end: { type: 'CloseStream' } }), refusals: [429, 1008, 402] },
  'Gladia live': { way: gladia, refusals: [429, 4402, 403] },
  'Pulse recordings': { way: body('/waves/v1/stt/?model=pulse'), refusals: [429, 402, 402] },
  'Pulse streams': { way: stream('/waves/v1/stt/live?model=pulse&language=en', { end: { type: 'close_stream' } }), refusals: [429, 1008, 402] },
  'AudioPod jobs': { way: job('/api/v1/transcription/transcribe-upload', {}), refusals: [undefined, 0, 402] },
  // Its clients are told beforehand how long they may speak, and that is how it ends.
  'AudioPod streams': { way: stream('/api/v1/transcription/stream', { start: [{ type: 'start', language: 'en', sample_rate: 16_000, channels: 1 }], end: { type: 'end' } }), refusals: [1013, undefined, 1008] },
  'Vosk streams': { way: stream('/vosk', { start: [{ config: { sample_rate: 16_000 } }], end: { eof: 1 } }), refusals: [1013, 1008, 1008] },
};

async function limited(change: Partial<TenantPolicy>, run: (caller: Caller) => Promise<void>): Promise<void> {
  const server = await startServer({ maxSessions: 50 });
  try {
    const { secret } = await server.tenancy.keys.create(OPERATOR, 'acme', { name: 'x', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
    await server.store.tenants.putPolicy('acme', { ...DEFAULT_TENANT_POLICY, ...change }, 0);
    await run({ server, key: secret });
  } finally {
    await server.close();
  }
}

const TALK = joined(loud(1000), quiet(2000), loud(1000), quiet(1000));

const ALL_WORDS = /w0 w1[^]*w6 w7/;
/** Nothing comes back before the end: there is nobody to give the words to when the end is a refusal. */
const WITHOUT_PARTS = new Set(['POST transcribe', 'a job', 'MCP', 'OpenAI files', 'OpenAI files, at ScaiGrid’s path', 'Deepgram recordings', 'Pulse recordings', 'AudioPod jobs']);

/** A native stream that says nothing, and how to end it. */
async function holdSession({ server, key }: Caller): Promise<() => Promise<void>> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/stream/transcribe`, { headers: { authorization: `Bearer ${key}` } });
  await once(socket, 'open');
  socket.send('{"type":"open","media_type":"audio/pcm"}');
  await once(socket, 'message');
  return async () => {
    socket.send('{"type":"close"}');
    await once(socket, 'close');
    await eventually(() => server.sessions.size === 0);
  };
}

for (const [name, { way, refusals }] of Object.entries(WAYS)) {
  const [tooMany, whileItSpeaks, before] = refusals;

  test(`${name}: as many sessions at a time as the tenant may have, and one more when one has ended`, { timeout: 30_000 }, async () => {
    await limited({ maxConcurrentSessions: 1 }, async (caller) => {
      const end = await holdSession(caller);
      const { refused, said } = await way(caller, TALK);
      assert.equal(refused, tooMany, said);
      if (tooMany === undefined) assert.match(said, ALL_WORDS);
      else assert.doesNotMatch(said, /w0/);
      await end();
      const next = await way(caller, TALK);
      assert.deepEqual([next.refused, ALL_WORDS.test(next.said)], [undefined, true], next.said);
    });
  });

  test(`${name}: a budget that is used up ends it with all that was heard, and refuses the next; usage is what was heard`, { timeout: 30_000 }, async () => {
    await limited({ budget: { seconds: 2, period: 'month' } }, async (caller) => {
      const first = await way(caller, TALK);
      assert.equal(first.refused, whileItSpeaks, first.said);
      assert.doesNotMatch(first.said, /w6/);
      if (!WITHOUT_PARTS.has(name)) assert.match(first.said, /w0 w1/);
      if (name === 'the native stream') assert.match(first.said, /"warning"[^]*BUDGET_LOW[^]*"error"[^]*BUDGET_EXCEEDED/);
      await eventually(() => caller.server.sessions.size === 0);
      const { refused, said } = await way(caller, TALK);
      assert.equal(refused, before, said);
      const sums = await caller.server.store.usage.sum('acme', { fromMs: 0, toMs: 1e15, groupBy: [] });
      assert.equal(sums.reduce((sum, { heardSamples }) => sum + heardSamples, 0), 2 * 16_000);
    });
  });
}
