import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { PERMISSIONS, type Permission } from '../core/principal.ts';
import type { JobRecord } from '../core/store/jobs.ts';
import { OPERATOR } from '../tenancy/testing/tenancy.ts';
import { TOKEN_PERMISSIONS } from '../tenancy/tokens.ts';
import type { OpenApiDocument } from './openapi.ts';
import type { RoutePermission } from './permissions.ts';
import { BASE, type ErrorAnswer, startServer } from './testing/server.ts';

/* Every route that the server describes, by every kind of caller, over real HTTP and WebSockets. A new route is in here by itself. */

const server = await startServer({ maxSessions: 100 });
const { keys, tokens, secrets } = server.tenancy;
after(() => server.close());

interface Route {
  readonly method: string;
  readonly path: string;
  readonly permission: RoutePermission;
  readonly isSocket: boolean;
}

/** Someone who asks, and what is answered where it is not let in. */
interface Caller {
  readonly name: string;
  readonly secret?: string;
  readonly permissions: readonly Permission[];
  readonly refusal?: string;
  /** Was given a link to one session. */
  readonly views?: boolean;
}

interface Outcome {
  readonly status: number;
  /** Where the refusal has the native shape. */
  readonly code?: string | undefined;
}

const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApiDocument;
const routes: readonly Route[] = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({
    method: method.toUpperCase(),
    path,
    permission: operation['x-permission'] as RoutePermission,
    isSocket: operation['x-websocket'] === true,
  })),
);

/** A record of the tenant `acme` for each route that names one. */
const own = await recordsOf('acme');

async function recordsOf(tenantId: string): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  const { record, secret } = await keys.create(OPERATOR, tenantId, { name: 'records', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
  await secrets.put(OPERATOR, tenantId, 'relay', 'x');
  const created = await fetch(`${server.url}${BASE}/webrtc/sessions`, { method: 'POST', headers: { authorization: `Bearer ${secret}` } });
  const { data } = (await created.json()) as { data: { session_id: string } };
  const published = await fetch(`${server.url}/whip`, { method: 'POST', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/sdp' }, body: 'offer' });
  const called = await fetch(`${server.url}/v1/realtime/calls`, { method: 'POST', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/sdp' }, body: 'offer' });
  const callId = called.headers.get('location')?.split('/').at(-1) ?? '';
  const url = 'http://127.0.0.1:1/a.wav';
  const queue = async (): Promise<string> => {
    const queued = await fetch(`${server.url}${BASE}/transcribe`, { method: 'POST', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }, body: JSON.stringify({ url }) });
    return ((await queued.json()) as { data: { job_id: string } }).data.job_id;
  };
  const job = await queue();
  // One of its own, for both are deleted.
  const [number] = await server.store.jobs.numbers(tenantId, [await queue()]);
  const audioPodJob = { id: String(number), index: '0' };
  const audioPod = '/api/v1/transcription';
  const speakerId = `spk_${tenantId}`;
  await server.store.speakers.add({
    id: speakerId,
    tenantId,
    displayName: 'Alice',
    languagePrimary: 'en',
    description: null,
    status: 'pending',
    failureReason: null,
    consent: { id: 'cns_1', userFullName: 'Alice Example', statedPurpose: 'captions', text: 'I consent.', recordingSha256: '0'.repeat(64), recordedAtMs: 0 },
    referenceBlob: 'reference',
    consentBlob: 'consent',
    createdAtMs: 0,
    expiresAtMs: null,
    erasedAtMs: null,
  });
  const hook = (await server.webhooks.add(tenantId, { url: 'https://127.0.0.1:1/hook', events: [], active: false, description: null })).id;
  const delivery = await server.webhooks.test(tenantId, hook);
  const live = `live-${tenantId}`;
  const recorded = `recorded-${tenantId}`;
  const ended: JobRecord = {
    id: live,
    tenantId,
    keyId: record.id,
    source: { kind: 'live', transport: 'websocket' },
    request: { dialect: 'gladia', extra: { init: {}, customMetadata: {}, result: {}, messages: [] } },
    status: 'completed',
    progress: 1,
    attempts: 1,
    dueAtMs: 0,
    createdAtMs: 0,
    startedAtMs: 0,
    endedAtMs: 0,
    backend: 'A',
    languageDetected: null,
    audioMs: 0,
    audioBytes: null,
    error: null,
  };
  await server.store.jobs.add(ended);
  await server.store.jobs.add({ ...ended, id: `job_${recorded}`, request: { dialect: 'gladia-pre-recorded', extra: { options: {}, upload: null } } });
  return {
    '/v2/live': { id: live },
    '/api/v1/webhooks/endpoints': { id: hook },
    '/api/v1/webhooks/deliveries': { id: delivery.id },
    '/v2/pre-recorded': { id: recorded },
    [`${BASE}/speakers`]: { id: speakerId },
    [`${BASE}/transcribe/jobs`]: { id: job },
    ...Object.fromEntries(['jobs', 'status', 'transcript', 'result'].map((name) => [`${audioPod}/${name}`, audioPodJob])),
    [`${BASE}/webrtc/sessions`]: { id: data.session_id },
    [`${BASE}/sessions`]: { id: data.session_id, file: '0.vtt' },
    '/v1/realtime/calls': { id: callId },
    '/whip/sessions': { id: published.headers.get('location')?.split('/').at(-1) ?? '' },
    [`${BASE}/keys`]: { id: record.id },
    [`${BASE}/tenant-secrets`]: { name: 'relay' },
  };
}

/** Named parts of paths that are no record of anybody. */
const NO_RECORDS = ['model', 'room'];

const namesRecord = ({ path, permission }: Route): boolean => permission !== 'public' && [...path.matchAll(/\{(\w+)\}/g)].some(([, name = '']) => !NO_RECORDS.includes(name));

/** The path with the record that it is about; `missing` where that is no record of the tests. */
function filled({ path }: Route, records: Readonly<Record<string, Readonly<Record<string, string>>>>): string {
  const params = Object.entries(records).find(([base]) => path.startsWith(`${base}/{`))?.[1] ?? {};
  return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => params[name] ?? 'missing');
}

/** From elsewhere, so that being on loopback lets nobody in. */
async function ask(route: Route, path: string, secret: string | undefined): Promise<Outcome> {
  const headers = { ...(secret !== undefined && { authorization: `Bearer ${secret}` }), 'x-forwarded-host': 'earshot.example' };
  if (!route.isSocket) {
    const answer = await server.app.inject({ method: route.method as 'GET', url: path, headers: { host: 'earshot.example', ...headers } });
    const type = String(answer.headers['content-type']);
    return { status: answer.statusCode, code: type.startsWith('application/json') ? nativeCode(answer.json<Partial<ErrorAnswer>>()) : undefined };
  }
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, { headers: { host: 'earshot.example', ...headers } });
  const refused = once(socket, 'unexpected-response') as Promise<[unknown, IncomingMessage]>;
  const opened = once(socket, 'open').then(() => undefined);
  refused.catch(() => undefined);
  opened.catch(() => undefined);
  const refusal = await Promise.race([refused, opened]);
  if (!refusal) {
    socket.close();
    await once(socket, 'close');
    return { status: 101 };
  }
  const body = JSON.parse(await text(refusal[1])) as Partial<ErrorAnswer>;
  return { status: refusal[1].statusCode ?? 0, code: nativeCode(body) };
}

/** Other protocols have codes of their own. */
const nativeCode = ({ status, error }: Partial<ErrorAnswer>): string | undefined => (status === 'error' ? error?.code : undefined);

async function callers(tenantId: string): Promise<Caller[]> {
  const nowMs = Date.now();
  const make = (permissions: readonly Permission[], expiresAtMs: number | null = null) => keys.create(OPERATOR, tenantId, { name: 'matrix', permissions, expiresAtMs, budget: null });
  const list: Caller[] = [
    { name: 'nobody', permissions: [], refusal: 'AUTH_TOKEN_MISSING' },
    { name: 'an unknown key', secret: 'sgk_unknown', permissions: [], refusal: 'AUTH_TOKEN_INVALID' },
    { name: 'a key past its time', secret: (await make(PERMISSIONS, nowMs - 1)).secret, permissions: [], refusal: 'SESSION_EXPIRED' },
    { name: 'a key with nothing', secret: (await make([])).secret, permissions: [] },
    { name: 'a key with everything', secret: (await make(PERMISSIONS)).secret, permissions: PERMISSIONS },
  ];
  const revoked = await make(PERMISSIONS);
  await keys.revoke(OPERATOR, tenantId, revoked.record.id);
  list.push({ name: 'a revoked key', secret: revoked.secret, permissions: [], refusal: 'AUTH_TOKEN_INVALID' });
  for (const permission of PERMISSIONS) list.push({ name: `a key with ${permission}`, secret: (await make([permission])).secret, permissions: [permission] });
  const { record } = await make(PERMISSIONS);
  const mint = (permissions: readonly Permission[], ttlSeconds: number) => tokens.mint(record, { permissions, ttlSeconds, maxSessions: null, maxSessionSeconds: null });
  for (const permission of TOKEN_PERMISSIONS) list.push({ name: `a token with ${permission}`, secret: (await mint([permission], 600)).token, permissions: [permission] });
  const shared = await tokens.mint(record, { permissions: [], ttlSeconds: 600, maxSessions: null, maxSessionSeconds: null, sessionId: 'ses_shared' });
  list.push({ name: 'a share token', secret: shared.token, permissions: [], views: true });
  list.push({ name: 'a token past its time', secret: (await mint(['scaiecho:transcribe'], -10)).token, permissions: [], refusal: 'SESSION_EXPIRED' });
  return list;
}

function isLetIn({ permission }: Route, { refusal, permissions, views = false }: Caller): boolean {
  if (permission === 'public') return true;
  if (refusal !== undefined) return false;
  if (permission === 'view') return views || permissions.includes('scaiecho:transcribe');
  return permission === 'any' ? !views : permissions.includes(permission);
}

test('every route lets in whom it should, and refuses everybody else with the reason', async () => {
  const cells: string[] = [];
  // A tenant of its own, whose records the routes that delete may delete.
  for (const caller of await callers('matrix')) {
    for (const route of routes) {
      const { status, code } = await ask(route, filled(route, {}), caller.secret);
      const cell = `${route.method} ${route.path} by ${caller.name}: ${String(status)} ${code ?? ''}`;
      cells.push(cell);
      if (isLetIn(route, caller)) {
        assert.notEqual(status, 401, cell);
        assert.notEqual(code, 'AUTH_INSUFFICIENT_SCOPE', cell);
      } else {
        assert.equal(status, caller.refusal === undefined ? 403 : 401, cell);
        if (code !== undefined) assert.equal(code, caller.refusal ?? 'AUTH_INSUFFICIENT_SCOPE', cell);
      }
    }
  }
  assert.equal(new Set(cells).size, cells.length);
  assert.ok(routes.some(({ isSocket }) => isSocket) && routes.some(({ permission }) => permission === 'scaiecho:admin'));
});

test('another tenant’s records are as absent as those that never were', async () => {
  const { secret } = await keys.create(OPERATOR, 'other', { name: 'other', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
  for (const route of routes.filter(namesRecord)) {
    const path = filled(route, own);
    assert.doesNotMatch(path, /missing/, `${route.path} has no record in this test: add one to recordsOf`);
    const theirs = await ask(route, path, secret);
    assert.ok([400, 404, 422].includes(theirs.status), `${route.method} ${path}: ${String(theirs.status)}`);
    assert.deepEqual(theirs, await ask(route, filled(route, {}), secret), path);
  }
});

test('and they are still there for their own', async () => {
  const { secret } = await keys.create(OPERATOR, 'acme', { name: 'own', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
  for (const route of routes.filter((each) => namesRecord(each) && each.method === 'DELETE')) {
    const { status } = await ask(route, filled(route, own), secret);
    assert.ok([200, 202, 204].includes(status), `${route.path}: ${String(status)}`);
  }
});
