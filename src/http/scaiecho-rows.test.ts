import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { after, beforeEach, test } from 'node:test';
import { WebSocket } from 'ws';
import { bytesOf } from '../../signaling/testing/raw-decoder.ts';
import { EarshotError, ERRORS, type ErrorCode } from '../core/errors.ts';
import { PERMISSIONS, type Permission } from '../core/principal.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { joined, loud, quiet } from '../core/testing/audio.ts';
import { eventually } from '../core/testing/eventually.ts';
import { FakeRecognizer } from '../core/testing/fake-recognizer.ts';
import { OPERATOR } from '../tenancy/testing/tenancy.ts';
import { BASE, KEY, startServer } from './testing/server.ts';

/* ScaiEcho row by row, over real HTTP and WebSockets: what its users rely on, each once. The protocol's own tests go deeper. */

/** The default is 5 MiB. */
const INLINE_BYTES = 256 * 1024;
const UPLOAD_BYTES = 1024 * 1024;
const relay = new FakeRecognizer();
const server = await startServer({ relay, maxInlineBytes: INLINE_BYTES, maxUploadBytes: UPLOAD_BYTES, maxSessions: 20, maxQueuedJobs: 2 });
after(() => server.close());
beforeEach(() => policy({}));

const SPEECH = Buffer.from(bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500))));
const TEXT = 'w1 w2 w5';

interface Envelope {
  readonly status?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: string; readonly message: string; readonly retry_after: number | null; readonly details?: readonly { readonly field: string }[] };
  readonly meta?: { readonly request_id: string };
}

type Answer = Envelope & { readonly http: number; readonly headers: Headers };

async function ask(method: string, path: string, body?: FormData | object | string, headers: Record<string, string> = { authorization: `Bearer ${KEY}` }): Promise<Answer> {
  const isText = typeof body === 'string';
  const json = body !== undefined && !isText && !(body instanceof FormData);
  const answer = await fetch(`${server.url}${path.startsWith('/') ? path : `${BASE}/${path}`}`, {
    method,
    headers: { ...headers, ...((json || isText) && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: json ? JSON.stringify(body) : (body) }),
  });
  const said = await answer.text();
  return { ...(said.startsWith('{') ? (JSON.parse(said) as Envelope) : {}), http: answer.status, headers: answer.headers };
}

function form(fields: Readonly<Record<string, string | Buffer>>): FormData {
  const parts = new FormData();
  // A part without a type, as a Blob that was given none.
  for (const [name, value] of Object.entries(fields)) parts.set(name, typeof value === 'string' ? value : new Blob([Uint8Array.from(value)]));
  return parts;
}

const transcribe = (fields: Readonly<Record<string, string | Buffer>> = {}, headers?: Record<string, string>) => ask('POST', 'transcribe', form({ file: SPEECH, ...fields }), headers);
async function mcp(method: string, params: object): Promise<string> {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  return (await fetch(`${server.url}/mcp`, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })).text();
}

const policy = (change: object) => server.store.tenants.putPolicy('default', { ...DEFAULT_TENANT_POLICY, ...change }, 0);
/** The job, once it is so. */
async function jobThat(status: string, path: string): Promise<Answer> {
  let job = await ask('GET', path);
  await eventually(async () => {
    job = await ask('GET', path);
    return job.data?.['status'] === status;
  });
  return job;
}
const keyWith = async (permissions: readonly Permission[], tenantId = 'default'): Promise<Record<string, string>> => {
  const { secret } = await server.tenancy.keys.create(OPERATOR, tenantId, { name: 'x', permissions, expiresAtMs: null, budget: null });
  return { authorization: `Bearer ${secret}` };
};

/** The code with the status that the table gives it. */
function assertCode(answer: Answer, code: ErrorCode, about = ''): void {
  assert.deepEqual([answer.http, answer.status, answer.error?.code], [ERRORS[code].httpStatus, 'error', code], `${about} ${JSON.stringify(answer.error)}`);
  assert.match(answer.meta?.request_id ?? '', /^req_/);
}

interface Frame {
  readonly type: string;
  readonly [name: string]: unknown;
}

class Socket {
  readonly frames: Frame[] = [];
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;

  constructor(path: string, headers: Record<string, string> = { authorization: `Bearer ${KEY}` }) {
    this.#socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/${path}`, { headers });
    this.#socket.on('message', (data: Buffer) => this.frames.push(JSON.parse(data.toString()) as Frame));
    this.closed = once(this.#socket, 'close').then(([code]) => code as number);
  }

  async open(): Promise<this> {
    await once(this.#socket, 'open');
    return this;
  }

  async refusal(): Promise<number | undefined> {
    this.#socket.on('error', () => undefined);
    const [, response] = (await once(this.#socket, 'unexpected-response')) as [unknown, IncomingMessage];
    return response.statusCode;
  }

  send(...messages: readonly (object | Buffer | string)[]): this {
    for (const message of messages) this.#socket.send(Buffer.isBuffer(message) || typeof message === 'string' ? message : JSON.stringify(message));
    return this;
  }

  async frame(type: string): Promise<Frame> {
    await eventually(() => this.frames.some((frame) => frame.type === type));
    return this.frames.find((frame) => frame.type === type)!;
  }

  vanish(): void {
    this.#socket.terminate();
  }

  get text(): string {
    return this.frames.filter((frame) => frame.type === 'delta' && frame['is_final'] === true).map(({ text }) => String(text)).join(' ');
  }
}

const stream = async (...messages: readonly (object | Buffer | string)[]): Promise<Socket & { readonly code?: number }> => (await new Socket('stream/transcribe').open()).send(...messages);
const PCM = { type: 'open', media_type: 'audio/pcm' } as const;
const CLOSE = { type: 'close' } as const;

// ---- mount, auth, envelope

test('a key or a token, as bearer or on a socket as token=, and the envelope around every answer', async () => {
  const token = await ask('POST', 'tokens', { permissions: ['scaiecho:transcribe'], ttl_seconds: 60 });
  const jwt = String(token.data?.['token']);
  for (const secret of [KEY, jwt]) {
    const answer = await transcribe({}, { authorization: `Bearer ${secret}` });
    assert.deepEqual([answer.http, answer.status, answer.data?.['transcript']], [200, 'ok', TEXT]);
    for (const [path, headers] of [[`stream/transcribe?token=${secret}`, {}], ['stream/transcribe', { authorization: `Bearer ${secret}` }]] as const) {
      const socket = await new Socket(path, headers).open();
      await socket.send(PCM).frame('ready');
      socket.vanish();
    }
  }
});

test('the sibling one-shot endpoint answers in OpenAI’s shape, and the tools of MCP are at /mcp', async () => {
  const answer = await fetch(`${server.url}/oai/v1/audio/transcriptions`, { method: 'POST', headers: { authorization: `Bearer ${KEY}` }, body: form({ file: SPEECH, model: 'whisper-1' }) });
  assert.equal(((await answer.json()) as { readonly text: string }).text, TEXT);
  assert.match(await mcp('tools/list', {}), /"name":"transcribe"/);
});

// ---- permissions

test('each permission opens what it is for, and nothing else; other tenants’ records are absent', async () => {
  const only = await keyWith(['scaiecho:transcribe']);
  assert.equal((await transcribe({}, only)).http, 200);
  for (const [method, path, body] of [['POST', 'transcribe', form({ file: SPEECH, diarize: 'true' })], ['GET', 'tenant-policy', undefined], ['GET', 'speakers', undefined], ['POST', 'speakers', form({ display_name: 'x' })]] as const) {
    assertCode(await ask(method, path, body, only), 'AUTH_INSUFFICIENT_SCOPE', path);
  }
  for (const [path, permission] of [['speakers', 'scaiecho:enroll'], ['tenant-policy', 'scaiecho:admin']] as const) assert.equal((await ask('GET', path, undefined, await keyWith([permission]))).http, 200);
  const { data } = await transcribe();
  assertCode(await ask('GET', `transcribe/jobs/${String(data?.['job_id'])}`, undefined, await keyWith(PERMISSIONS, 'other')), 'NOT_FOUND');
});

test('health is told to everybody, readiness with its phase', async () => {
  assert.deepEqual(await (await fetch(`${server.url}${BASE}/healthz`)).json(), { status: 'ok', module: 'scaiecho' });
  const ready = (await (await fetch(`${server.url}${BASE}/readyz`)).json()) as Readonly<Record<string, unknown>>;
  assert.deepEqual([ready['status'], ready['module'], ready['phase']], ['ok', 'scaiecho', 'ready']);
});

test('the policy is read, written whole by PUT and in part by PATCH', async () => {
  for (const [method, body, allowed, first] of [['GET', undefined, 'AB', 'A'], ['PATCH', { default_backend: 'B' }, 'AB', 'B'], ['PUT', { allowed_backends: 'BA' }, 'BA', 'B'], ['PUT', { allowed_backends: 'A' }, 'A', 'A']] as const) {
    const { http, data } = await ask(method, 'tenant-policy', body);
    assert.deepEqual([http, data?.['allowed_backends'], data?.['default_backend']], [200, allowed, first], method);
  }
});

test('a preference is a hint, the policy has the last word, and the answer says who ran: for files, streams, WebRTC and MCP alike', async () => {
  const rows = [
    ['AB', 'A', 'any', 'A'],
    ['AB', 'A', 'prefer_relay', 'B'],
    ['AB', 'B', 'any', 'B'],
    ['BA', 'B', 'prefer_self_hosted', 'A'],
    ['A', 'A', 'prefer_relay', 'A'],
    ['B', 'B', 'prefer_self_hosted', 'B'],
  ] as const;
  for (const [allowedBackends, defaultBackend, wish, ran] of rows) {
    await policy({ allowedBackends, defaultBackend });
    assert.equal((await transcribe({ backend_preference: wish })).data?.['backend_used'], ran);
    const socket = await stream({ ...PCM, backend_preference: wish });
    assert.equal((await socket.frame('ready'))['backend_used'], ran);
    socket.vanish();
    const made = await ask('POST', 'webrtc/sessions', { backend_preference: wish });
    assert.equal(made.data?.['backend_used'], ran);
    await ask('DELETE', `webrtc/sessions/${String(made.data['session_id'])}`);
    const told = await mcp('tools/call', { name: 'transcribe', arguments: { audio: SPEECH.toString('base64'), backend_preference: wish } });
    assert.equal(/"backend_used":"(\w)"/.exec(told)?.[1], ran);
  }
});

test('AB falls through to B when A is down; a tenant pinned to A is told so', async () => {
  const admit = server.recognizer.admit.bind(server.recognizer);
  server.recognizer.admit = () => {
    throw new EarshotError('BACKEND_UNAVAILABLE', 'No self-hosted STT node is online', { retryAfterSeconds: 2 });
  };
  try {
    assert.equal((await transcribe()).data?.['backend_used'], 'B');
    await policy({ allowedBackends: 'A' });
    const refused = await transcribe();
    assertCode(refused, 'BACKEND_UNAVAILABLE');
    assert.deepEqual([refused.error?.retry_after, refused.headers.get('retry-after')], [2, '2']);
    const socket = await stream(PCM);
    assert.deepEqual([await socket.closed, socket.frames.map(({ type, code }) => [type, code])], [1013, [['error', 'BACKEND_UNAVAILABLE']]]);
  } finally {
    server.recognizer.admit = admit;
  }
});

test('transcribe: every field, its default, and what it may not be', async () => {
  const { http, data } = await transcribe({ language_hint: 'en', backend_preference: 'any', temperature: '0.2' });
  assert.equal(http, 200);
  assert.match(String(data?.['job_id']), /^job_/);
  assert.deepEqual([data?.['transcript'], data?.['backend_used'], data?.['language_detected'], data?.['audio_duration_ms'], data?.['audio_bytes']], [TEXT, 'A', 'en', 3000, SPEECH.length]);
  for (const [field, value] of [['language_hint', 'english'], ['backend_preference', 'fastest'], ['temperature', '2'], ['force_async', 'perhaps'], ['chunk_seconds', '-1']] as const) {
    const refused = await transcribe({ [field]: value });
    assertCode(refused, 'VALIDATION_ERROR', field);
    assert.deepEqual(refused.error?.details?.map((each) => each.field), [field]);
  }
  assertCode(await ask('POST', 'transcribe', form({ language_hint: 'en' })), 'VALIDATION_ERROR', 'no file');
});

test('the inline limit is of the audio, strictly; over it, or when asked for, 202 with a job and its location', async () => {
  assert.equal((await transcribe({ file: Buffer.alloc(INLINE_BYTES) })).http, 200);
  for (const fields of [{ file: Buffer.alloc(INLINE_BYTES + 2) }, { force_async: 'true' }] as const) {
    const { http, headers, data } = await transcribe(fields);
    assert.deepEqual([http, data?.['status'], data?.['audio_bytes'], typeof data?.['note']], [202, 'queued', 'file' in fields ? INLINE_BYTES + 2 : SPEECH.length, 'string']);
    const location = headers.get('location') ?? '';
    assert.equal(location, `${BASE}/transcribe/jobs/${String(data?.['job_id'])}`);
    const done = (await jobThat('completed', location)).data ?? {};
    assert.deepEqual([done['transcript'], done['backend_used'], done['language_detected'], done['error'], done['audio_bytes']], ['file' in fields ? '' : TEXT, 'A', 'en', null, data?.['audio_bytes']]);
    for (const name of ['created_at', 'started_at', 'completed_at']) assert.ok(Date.parse(String(done[name])) > 0, name);
  }
});

test('a job that waits or runs has no transcript yet; one that failed is answered with 200 and its error; an inline answer is a job too', async () => {
  server.recognizer.pause();
  const { data } = await transcribe({ force_async: 'true' });
  const id = String(data?.['job_id']);
  assert.equal((await jobThat('running', `transcribe/jobs/${id}`)).data?.['transcript'], null);
  server.recognizer.resume();
  const broken = await transcribe({ force_async: 'true', file: Buffer.from('BAD!') });
  const failed = await jobThat('failed', `transcribe/jobs/${String(broken.data?.['job_id'])}`);
  assert.deepEqual([failed.http, (failed.data?.['error'] as { code: string }).code], [200, 'AUDIO_UNSUPPORTED']);
  const inline = await transcribe();
  for (const [format, type] of [['txt', 'text/plain'], ['srt', 'application/x-subrip'], ['vtt', 'text/vtt']] as const) {
    const { http, headers } = await ask('GET', `transcribe/jobs/${String(inline.data?.['job_id'])}?format=${format}`);
    assert.deepEqual([http, headers.get('content-type')?.split(';')[0]], [200, type]);
  }
  assertCode(await ask('GET', 'transcribe/jobs/job_none'), 'NOT_FOUND');
});

test('every error code is answered with its status and the envelope, back-pressure with Retry-After', async () => {
  assertCode(await transcribe({}, { host: 'x' }).then(() => ask('GET', 'tenant-policy', undefined, { 'x-forwarded-host': 'elsewhere', authorization: 'Bearer sgk_wrong' })), 'AUTH_TOKEN_INVALID');
  const expired = await server.tenancy.keys.create(OPERATOR, 'default', { name: 'x', permissions: PERMISSIONS, expiresAtMs: 1, budget: null });
  assertCode(await transcribe({}, { authorization: `Bearer ${expired.secret}` }), 'SESSION_EXPIRED');
  await policy({ allowedBackends: 'B', defaultBackend: 'B', residency: 'self_hosted' });
  assertCode(await transcribe(), 'AUTHZ_PERMISSION_DENIED');
  await policy({ maxConcurrentSessions: 0 });
  const limited = await transcribe();
  assertCode(limited, 'RATE_LIMITED');
  assert.equal(limited.headers.get('retry-after'), String(limited.error?.retry_after));
  await policy({ budget: { seconds: 0, period: 'day' } });
  assertCode(await transcribe(), 'BUDGET_EXCEEDED');
  await policy({});
  assertCode(await transcribe({ model: 'none' }), 'MODEL_NOT_FOUND');
  assertCode(await ask('GET', '/nothing'), 'NOT_FOUND');
  for (const name of ['relay-none', 'relay-fake']) assertCode(await ask('PUT', `tenant-secrets/${name}`, { value: 'x' }), 'BACKEND_NOT_FOUND');
  assert.equal((await ask('PUT', 'tenant-secrets/relay-relay', { value: 'x' })).http, 204);
  assertCode(await transcribe({ file: Buffer.alloc(0) }), 'AUDIO_EMPTY');
  assertCode(await transcribe({ file: Buffer.alloc(UPLOAD_BYTES + 2) }), 'AUDIO_TOO_LARGE');
  assertCode(await ask('POST', 'keys', '{'), 'MESSAGE_MALFORMED');
  const admit = server.recognizer.admit.bind(server.recognizer);
  for (const code of ['BACKEND_ERROR', 'UPSTREAM_SHAPE_MISMATCH', 'BACKEND_TIMEOUT', 'MODEL_UNAVAILABLE', 'BACKEND_RATE_LIMITED', 'CAPACITY_EXCEEDED'] as const) {
    await policy({ allowedBackends: 'A' });
    server.recognizer.admit = () => {
      throw new EarshotError(code, 'It is so.', ERRORS[code].retryable ? { retryAfterSeconds: 3 } : {});
    };
    const refused = await transcribe();
    assertCode(refused, code);
    assert.equal(refused.headers.get('retry-after'), '3', code);
  }
  server.recognizer.admit = admit;
  // Two jobs may wait; one runs.
  await policy({});
  server.recognizer.pause();
  const queued = [];
  for (let count = 0; count < 4; count += 1) queued.push(await transcribe({ force_async: 'true' }));
  assert.ok(queued.slice(0, 2).every(({ http }) => http === 202));
  assertCode(queued.at(-1)!, 'QUOTA_EXCEEDED');
  server.recognizer.resume();
  await eventually(async () => (await server.store.jobs.countQueued()) === 0);
});

// ---- the stream socket

test('who is not let in is refused before the upgrade', async () => {
  assert.equal(await new Socket('stream/transcribe', { authorization: 'Bearer sgk_wrong' }).refusal(), 401);
  assert.equal(await new Socket('stream/transcribe', await keyWith(['scaiecho:admin'])).refusal(), 403);
});

test('ready first, then deltas that replace each other by segment, then exactly one closed with the bytes, then 1000', async () => {
  const socket = await stream({ ...PCM, language_hint: 'en', chunk_seconds: 5, sample_rate: 16_000, diarize: false }, SPEECH, CLOSE);
  assert.equal(await socket.closed, 1000);
  const [ready] = socket.frames;
  assert.deepEqual([ready?.type, ready?.['backend_used'], socket.text], ['ready', 'A', TEXT]);
  const closed = socket.frames.filter(({ type }) => type === 'closed');
  assert.deepEqual([closed.length, closed[0]?.['audio_bytes'], socket.frames.at(-1)?.type], [1, SPEECH.length, 'closed']);
  for (const delta of socket.frames.filter(({ type }) => type === 'delta')) {
    assert.ok(typeof delta['segment_id'] === 'string' && Number(delta['start']) <= Number(delta['end']) && Number(delta['end']) <= 3.1);
    assert.equal(delta['is_final'] === true, typeof delta['confidence'] === 'number');
  }
});

test('audio before ready is kept; control lines may come as binary, glued to audio; the end of the socket is an end too', async () => {
  const glued = await stream(Buffer.concat([Buffer.from(`${JSON.stringify(PCM)}\n`), SPEECH]), Buffer.from('{"type":"close"}\n'));
  assert.deepEqual([await glued.closed, glued.text], [1000, TEXT]);
  const gone = await stream(PCM, SPEECH);
  const { job_id: id } = await gone.frame('ready');
  gone.vanish();
  await eventually(async () => (await ask('GET', `transcribe/jobs/${String(id)}`)).data?.['transcript'] === TEXT);
});

test('what may not be said closes the socket, after an error, with its code', async () => {
  const rows = [
    [[{ type: 'open', media_type: 'video/avi' }], 1008, 'VALIDATION_ERROR'],
    [[{ type: 'open', language_hint: 'english' }], 1008, 'VALIDATION_ERROR'],
    [['{'], 1003, 'MESSAGE_MALFORMED'],
    [[PCM, PCM], 1003, 'MESSAGE_MALFORMED'],
    [[{ ...PCM, media_type: 'audio/wav' }, CLOSE], 1003, 'AUDIO_EMPTY'],
  ] as const;
  for (const [messages, closeCode, code] of rows) {
    const socket = await stream(...messages);
    const seen = [await socket.closed, socket.frames.at(-1)?.type, socket.frames.at(-1)?.['code']];
    assert.deepEqual(seen, [closeCode, 'error', code], JSON.stringify(messages));
  }
  const diarizing = await new Socket('stream/transcribe', await keyWith(['scaiecho:transcribe'])).open();
  diarizing.send({ ...PCM, diarize: true });
  assert.deepEqual([await diarizing.closed, diarizing.frames.at(-1)?.['code']], [1008, 'AUTH_INSUFFICIENT_SCOPE']);
});

test('WebRTC: a session with or without its offer, candidates, the control socket, and its end', async () => {
  const { http, data } = await ask('POST', 'webrtc/sessions', { language_hint: 'en' });
  const path = `webrtc/sessions/${String(data?.['session_id'])}`;
  assert.deepEqual([http, data?.['answer'], Array.isArray(data?.['ice_servers'])], [201, null, true]);
  assert.match(String(data?.['control_url']), new RegExp(`^ws://.*/${path}/control$`));
  assert.ok(Date.parse(String(data?.['expires_at'])) > Date.now());
  assert.deepEqual((await ask('POST', `${path}/offer`, { type: 'offer', sdp: 'offer' })).data, { type: 'answer', sdp: 'answer' });
  assert.equal((await ask('POST', `${path}/ice`, { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 })).http, 204);
  assert.equal((await ask('POST', `${path}/ice`, 'null')).http, 204);
  const control = await new Socket(`${path}/control`).open();
  await control.frame('ready');
  control.send(CLOSE);
  assert.deepEqual([await control.closed, control.frames.at(-1)?.type], [1000, 'closed']);
  const other = await ask('POST', 'webrtc/sessions', { sdp: { type: 'offer', sdp: 'offer' } });
  assert.deepEqual(other.data?.['answer'], { type: 'answer', sdp: 'answer' });
  assert.equal((await ask('DELETE', `webrtc/sessions/${String(other.data['session_id'])}`)).http, 204);
  assertCode(await ask('DELETE', 'webrtc/sessions/ses_none'), 'NOT_FOUND');
});

test('speakers: each part that is missing is named; what is there is listed, read and erased', async () => {
  const fields = { display_name: 'Alice', language_primary: 'en', consent_user_full_name: 'Alice Example', consent_stated_purpose: 'minutes', consent_text: 'I agree.', reference: SPEECH, consent: SPEECH };
  for (const missing of Object.keys(fields)) {
    const refused = await ask('POST', 'speakers', form(Object.fromEntries(Object.entries(fields).filter(([name]) => name !== missing))));
    assertCode(refused, 'VALIDATION_ERROR', missing);
    assert.deepEqual(refused.error?.details?.map(({ field }) => field), [missing]);
  }
  const made = await ask('POST', 'speakers', form({ ...fields, description: 'of the sales team' }));
  const { speaker_id: id, consent, ...rest } = made.data ?? {};
  assert.deepEqual([made.http, rest['display_name'], rest['language_primary'], rest['description'], rest['status']], [201, 'Alice', 'en', 'of the sales team', 'pending']);
  assert.match(String(id), /^spk_/);
  assert.match(String((consent as Record<string, unknown>)['consent_id']), /^cns_/);
  await server.enrolment.settled();
  // A square wave of a second and a half is nobody's voice.
  const read = await ask('GET', `speakers/${String(id)}`);
  assert.deepEqual([read.data?.['status'], typeof read.data?.['failure_reason']], ['failed', 'string']);
  assert.equal((await ask('DELETE', `speakers/${String(id)}`)).http, 200);
  assertCode(await ask('GET', 'speakers/spk_none'), 'NOT_FOUND');
});

test('every call is metered, by each transport, with what was heard', async () => {
  await eventually(() => server.sessions.size === 0);
  const rows = (await ask('GET', 'usage?group_by=transport')).data?.['usage'] as { readonly transport: string; readonly heard_seconds: number }[];
  const transports = rows.filter((row) => row.heard_seconds > 0).map(({ transport }) => transport);
  assert.deepEqual(transports.toSorted(), ['http', 'job', 'mcp', 'websocket']);
});
