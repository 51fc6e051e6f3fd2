import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Backend } from '../core/backend.ts';
import { backendOf } from '../core/testing/fake-backend.ts';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import { KEY, startServer, type ErrorAnswer } from './testing/server.ts';

const server = await startServer();
const { app } = server;
after(() => server.close());

/** Asked under a loopback name, as by curl on this machine. */
const HERE = { host: 'localhost:8080' };

test('an unknown route is a typed error with the id of the request', async () => {
  const answer = await app.inject({ url: '/nothing?token=secret', headers: HERE });
  const body = answer.json<ErrorAnswer>();
  assert.equal(answer.statusCode, 404);
  assert.deepEqual([body.status, body.error.code, body.error.retry_after], ['error', 'NOT_FOUND', null]);
  assert.doesNotMatch(body.error.message, /secret/);
  assert.match(body.meta.request_id, /^req_[0-9a-f-]{36}$/);
  assert.equal(answer.headers['x-request-id'], body.meta.request_id);
  const other = await app.inject({ url: '/nothing', headers: HERE });
  assert.notEqual(other.json<ErrorAnswer>().meta.request_id, body.meta.request_id);
});

test('the server says that it lives, at the root and under the module', async () => {
  for (const path of ['/healthz', '/v1/modules/scaiecho/healthz', '/healthz/']) {
    const answer = await app.inject({ url: path });
    assert.deepEqual([answer.statusCode, answer.json()], [200, { status: 'ok', module: 'scaiecho' }], path);
  }
});

test('the server is ready while a recognizer can take a session, and says why it is not', async () => {
  const ready = await app.inject({ url: '/readyz' });
  assert.deepEqual([ready.statusCode, ready.json()], [200, { status: 'ok', module: 'scaiecho', phase: 'ready', media_engine: 'fake', backends: [{ id: 'fake', letter: 'A', ready: true }] }]);
  const leases = Array.from({ length: 4 }, () => server.recognizer.admit());
  const full = await app.inject({ url: '/v1/modules/scaiecho/readyz' });
  assert.deepEqual([full.statusCode, full.json()], [503, { status: 'unavailable', module: 'scaiecho', media_engine: 'fake', phase: 'waiting', reason: 'every recognizer is taken', backends: [{ id: 'fake', letter: 'A', ready: false, reason: 'every recognizer is taken' }] }]);
  for (const lease of leases) await lease.release();
});

test('metrics count what could leak, for who may see them', async () => {
  const lease = server.recognizer.admit();
  const { payload, headers } = await app.inject({ url: '/metrics', headers: HERE });
  await lease.release();
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
  for (const line of ['earshot_sessions 0', 'earshot_webrtc_peers 0', 'earshot_websockets 0', 'earshot_recognizer_sessions 1', 'earshot_recognizer_sessions_max 4', 'earshot_recognizer_restarts_total 0', 'earshot_failovers_total 0']) {
    assert.ok(payload.split('\n').includes(line), line);
  }
  assert.match(payload, /\n$/);
  const samples = payload.trimEnd().split('\n').filter((line) => !line.startsWith('#'));
  for (const sample of samples) assert.match(sample, /^[a-z_]+(\{[^}]*\})? [\d.e+-]+$/);
  assert.equal((await app.inject({ url: '/metrics', headers: { host: 'evil.example' } })).statusCode, 401);
});

test('the page is served with what keeps other pages out of it', async () => {
  const answer = await app.inject({ url: '/' });
  assert.equal(answer.statusCode, 200);
  assert.match(answer.payload, /Earshot/);
  assert.match(String(answer.headers['content-security-policy']), /default-src 'self'.*frame-ancestors 'none'/);
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  for (const url of ['/../package.json', '/%2e%2e/package.json', '/..%2fpackage.json']) assert.ok((await app.inject({ url })).statusCode >= 400, url);
});

test('every route but health and page wants the key, or a loopback name', async () => {
  const routes = [
    ['GET', '/metrics'],
    ['POST', '/v1/modules/scaiecho/transcribe'],
    ['POST', '/v1/modules/scaiecho/webrtc/sessions'],
    ['POST', '/v1/modules/scaiecho/webrtc/sessions/x/offer'],
    ['POST', '/v1/modules/scaiecho/webrtc/sessions/x/ice'],
    ['GET', '/v1/modules/scaiecho/webrtc/sessions/x/stats'],
    ['DELETE', '/v1/modules/scaiecho/webrtc/sessions/x'],
  ] as const;
  for (const [method, url] of routes) {
    const missing = await app.inject({ method, url, headers: { host: 'evil.example' } });
    assert.deepEqual([missing.statusCode, missing.json<ErrorAnswer>().error.code, missing.headers['www-authenticate']], [401, 'AUTH_TOKEN_MISSING', 'Bearer'], url);
    const wrong = await app.inject({ method, url, headers: { ...HERE, authorization: 'Bearer wrong' } });
    assert.deepEqual([wrong.statusCode, wrong.json<ErrorAnswer>().error.code], [401, 'AUTH_TOKEN_INVALID'], url);
    const right = await app.inject({ method, url, headers: { host: 'evil.example', authorization: `Bearer ${KEY}` } });
    assert.notEqual(right.statusCode, 401, url);
    const byQuery = await app.inject({ method, url: `${url}?token=${KEY}`, headers: { host: 'evil.example' } });
    assert.notEqual(byQuery.statusCode, 401, url);
  }
});

test('a proxy in front may name itself, but opens nothing', async () => {
  const answer = await app.inject({ url: '/metrics', headers: { host: 'evil.example', 'x-forwarded-host': 'localhost' } });
  assert.equal(answer.statusCode, 401);
});

test('a body that is no JSON, too large or of another type is the client’s fault', async () => {
  const url = '/v1/modules/scaiecho/webrtc/sessions';
  const sessionsBefore = server.sessions.size;
  const post = async (payload: string, type = 'application/json'): Promise<[number, string]> => {
    const answer = await app.inject({ method: 'POST', url, headers: { ...HERE, 'content-type': type }, payload });
    return [answer.statusCode, answer.json<ErrorAnswer>().error.code];
  };
  assert.deepEqual(await post('{'), [400, 'MESSAGE_MALFORMED']);
  assert.deepEqual(await post('"x"'), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await post('[]'), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await post('{"__proto__":{"x":1}}'), [400, 'MESSAGE_MALFORMED']);
  assert.deepEqual(await post('x', 'application/xml'), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await post(`{"language_hint":"${'x'.repeat(256 * 1024)}"}`), [413, 'MESSAGE_TOO_LARGE']);
  assert.equal(server.sessions.size, sessionsBefore);
});

test('a fault of the server is logged, and told without its message', async () => {
  const broken: Backend = {
    ...backendOf(server.recognizer),
    snapshot: () => {
      throw new Error('/home/secret');
    },
  };
  const own = await startServer({
    services: {
      dispatcher: new Dispatcher({ backends: [broken], sessions: server.sessions, clock: server.clock, policies: server.store.tenants }),
    },
  });
  const answer = await own.app.inject({ url: '/readyz' });
  assert.deepEqual([answer.statusCode, answer.json<ErrorAnswer>().error.code], [500, 'INTERNAL']);
  assert.doesNotMatch(answer.payload, /secret/);
  assert.deepEqual(own.logged, ['error request failed']);
  await own.close();
});
