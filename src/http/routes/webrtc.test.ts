import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { FakeChannel } from '../../../signaling/testing/fake-channel.ts';
import { NO_STATS } from '../../../signaling/testing/fake-engine.ts';
import { FedSource, loud, settle } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { BASE, KEY, startServer, type ErrorAnswer } from '../testing/server.ts';

const server = await startServer({ maxSessions: 2 });
const SESSIONS = `${BASE}/webrtc/sessions`;
after(() => server.close());
afterEach(async () => {
  for (const peer of server.engine.peers.splice(0)) await peer.close();
  await settle();
});

interface Created {
  readonly session_id: string;
  readonly answer: { readonly type: string; readonly sdp: string } | null;
  readonly ice_servers: object[];
  readonly control_url: string;
  readonly backend_used: string;
  readonly expires_at: string;
}

const ask = (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object | null, headers: Record<string, string> = {}) =>
  server.app.inject({
    method,
    url,
    headers: { host: 'localhost:8080', ...(payload !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(payload !== undefined && { payload: JSON.stringify(payload) }),
  });

async function create(body: object = { sdp: { type: 'offer', sdp: 'offer' } }): Promise<Created> {
  const answer = await ask('POST', SESSIONS, body);
  assert.equal(answer.statusCode, 201, answer.payload);
  return answer.json<{ data: Created }>().data;
}

async function refused(answer: ReturnType<typeof ask>): Promise<[number, string, string | undefined]> {
  const { statusCode, payload } = await answer;
  const { error } = JSON.parse(payload) as ErrorAnswer;
  return [statusCode, error.code, error.details?.[0]?.field];
}

test('an offer is answered with everything that a client needs to go on', async () => {
  const { session_id: id, answer, ice_servers: iceServers, control_url: control, backend_used: backend, expires_at: expires } = await create();
  assert.deepEqual([answer, iceServers, backend], [{ type: 'answer', sdp: 'answer' }, [{ urls: 'stun:stun.example' }], 'A']);
  assert.equal(control, `ws://localhost:8080${SESSIONS}/${id}/control`);
  assert.ok(Date.parse(expires) > Date.now());
});

test('the data channel "transcript" is told the session, and may end it; others are left alone', async () => {
  await create();
  const { handlers } = server.engine.peers[0]!;
  const [channel, other] = [new FakeChannel('transcript'), new FakeChannel('chat')];
  handlers.channel?.(channel);
  handlers.channel?.(other);
  handlers.track({ label: '0', source: new FedSource().pcm(loud(1000)), stats: () => NO_STATS });
  await settle();
  channel.say({ type: 'close' });
  await eventually(() => channel.isClosed);
  assert.deepEqual([channel.sent[0]?.['type'], channel.sent.at(-1)?.['type']], ['ready', 'closed']);
  assert.equal(channel.sent.find((frame) => frame['is_final'])?.['text'], 'w0 w1');
  assert.deepEqual(other.sent, []);
});

test('behind a proxy that ends TLS the control socket is wss', async () => {
  const answer = await ask('POST', SESSIONS, {}, { host: 'earshot.example', authorization: `Bearer ${KEY}`, 'x-forwarded-proto': 'https' });
  assert.match(answer.json<{ data: Created }>().data.control_url, /^wss:\/\/earshot\.example\//);
});

test('a session without a body waits for its offer, then for candidates', async () => {
  const created = await ask('POST', SESSIONS);
  const { session_id: id, answer } = created.json<{ data: Created }>().data;
  assert.equal(answer, null);
  const candidate = { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 };
  assert.deepEqual(await refused(ask('POST', `${SESSIONS}/${id}/ice`, candidate)), [409, 'SESSION_CONFLICT', undefined]);
  const offered = await ask('POST', `${SESSIONS}/${id}/offer`, { type: 'offer', sdp: 'offer' });
  assert.deepEqual([offered.statusCode, offered.json<{ data: object }>().data], [200, { type: 'answer', sdp: 'answer' }]);
  assert.equal((await ask('POST', `${SESSIONS}/${id}/ice`, candidate)).statusCode, 204);
  assert.equal((await ask('POST', `${SESSIONS}/${id}/ice`, null)).statusCode, 204);
  assert.deepEqual(server.engine.peers[0]?.candidates, [candidate, null]);
});

test('tracks are heard, counted, and settled by DELETE', async () => {
  const { session_id: id } = await create();
  server.engine.peers[0]?.handlers.track({ label: 'mic', source: new FedSource().pcm(loud(1000)), stats: () => NO_STATS });
  await settle();
  const stats = await ask('GET', `${SESSIONS}/${id}/stats`);
  assert.deepEqual(stats.json<{ data: object }>().data, { tracks: { mic: NO_STATS } });
  assert.equal((await ask('DELETE', `${SESSIONS}/${id}`)).statusCode, 204);
  assert.equal(server.sessions.size, 0);
  assert.equal(server.engine.peerCount, 0);
  assert.deepEqual(await refused(ask('DELETE', `${SESSIONS}/${id}`)), [404, 'NOT_FOUND', undefined]);
});

test('what may not be said is named', async () => {
  for (const [body, field] of [
    [{ language_hint: 'english' }, 'language_hint'],
    [{ language_hint: 'de' }, 'language_hint'],
    [{ backend_preference: 'best' }, 'backend_preference'],
    [{ diarize: 'true' }, 'diarize'],
    [{ endpointing_ms: 9 }, 'endpointing_ms'],
    [{ endpointing_ms: '300' }, 'endpointing_ms'],
    [{ chunk_seconds: 0 }, 'chunk_seconds'],
    [{ sdp: 'offer' }, 'sdp'],
    [{ sdp: { type: 'answer', sdp: 'x' } }, 'sdp.type'],
    [{ sdp: { type: 'offer', sdp: '' } }, 'sdp.sdp'],
  ] as const) {
    assert.deepEqual(await refused(ask('POST', SESSIONS, body)), [422, 'VALIDATION_ERROR', field]);
  }
  const { session_id: id } = await create();
  assert.deepEqual(await refused(ask('POST', `${SESSIONS}/${id}/offer`, { type: 'offer', sdp: 'x'.repeat(128 * 1024 + 1) })), [422, 'VALIDATION_ERROR', 'sdp']);
  assert.deepEqual(await refused(ask('POST', `${SESSIONS}/${id}/ice`, { candidate: 1 })), [422, 'VALIDATION_ERROR', 'candidate']);
  assert.deepEqual(await refused(ask('POST', `${SESSIONS}/${id}/ice`, {})), [422, 'VALIDATION_ERROR', 'candidate']);
});

test('an offer that cannot be read leaves no session', async () => {
  assert.deepEqual(await refused(ask('POST', SESSIONS, { sdp: { type: 'offer', sdp: 'garbage' } })), [400, 'SDP_INVALID', undefined]);
  await settle();
  assert.deepEqual([server.sessions.size, server.engine.peerCount], [0, 0]);
});

test('a session that is not there is not found', async () => {
  for (const [method, path, body] of [['POST', '/offer', { type: 'offer', sdp: 'offer' }], ['POST', '/ice', null], ['GET', '/stats', undefined], ['DELETE', '', undefined]] as const) {
    assert.deepEqual(await refused(ask(method, `${SESSIONS}/ses_gone${path}`, body)), [404, 'NOT_FOUND', undefined]);
  }
});

test('a full house says so', async () => {
  await create();
  await create();
  assert.deepEqual(await refused(ask('POST', SESSIONS, {})), [503, 'CAPACITY_EXCEEDED', undefined]);
});
