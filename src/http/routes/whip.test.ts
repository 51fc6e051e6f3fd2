import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { FakeChannel } from '../../../signaling/testing/fake-channel.ts';
import { FAKE_OFFER, NO_STATS } from '../../../signaling/testing/fake-engine.ts';
import { PERMISSIONS } from '../../core/principal.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { FedSource, joined, loud, quiet, settle } from '../../core/testing/audio.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { BASE, KEY, type ErrorAnswer, startServer } from '../testing/server.ts';

const server = await startServer({ maxSessions: 3 });
after(() => server.close());
afterEach(async () => {
  for (const peer of server.engine.peers.splice(0)) await peer.close();
  await settle();
});

const SDP = 'application/sdp';
const FRAGMENT = 'application/trickle-ice-sdpfrag';
const fragment = (ufrag: string, pwd: string): string => `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${pwd}\r\na=mid:0\r\na=candidate:9 1 udp 1 192.0.2.9 9 typ host\r\n`;
const TRICKLE = fragment('old1', 'oldpassword');

function ask(method: string, url: string, body?: string, headers: Record<string, string> = {}) {
  return server.app.inject({ method: method as 'POST', url, headers: { host: 'localhost', ...headers }, ...(body !== undefined && { payload: body }) });
}

async function publish(path = '/whip', offer = FAKE_OFFER, headers: Record<string, string> = {}) {
  const answer = await ask('POST', path, offer, { 'content-type': SDP, ...headers });
  const peer = server.engine.peers.at(-1);
  const links = [answer.headers.link ?? []].flat<(string | string[])[]>().flat();
  const sessionId = /sessions\/(ses_\w+)\/events/.exec(links.join())?.[1] ?? '';
  return { answer, peer, links, sessionId, location: String(answer.headers.location), etag: String(answer.headers.etag) };
}

const codeOf = (answer: Awaited<ReturnType<typeof ask>>): [number, string] => [answer.statusCode, answer.json<ErrorAnswer>().error.code];
const patch = (location: string, body: string, ifMatch?: string) => ask('PATCH', location, body, { 'content-type': FRAGMENT, ...(ifMatch !== undefined && { 'if-match': ifMatch }) });

test('a publisher that opens a data channel "transcript" reads its own captions there', async () => {
  const { location, peer } = await publish();
  const channel = new FakeChannel('transcript');
  peer?.handlers.channel?.(channel);
  peer?.handlers.track({ label: '0', source: new FedSource().pcm(loud(1000)), stats: () => NO_STATS });
  await settle();
  await ask('DELETE', location);
  await eventually(() => channel.isClosed);
  assert.equal(channel.sent.find((frame) => frame['is_final'])?.['text'], 'w0 w1');
  assert.equal(channel.sent.at(-1)?.['type'], 'closed');
});

test('an offer is answered with 201 and all that a publisher or its viewers need', async () => {
  const { answer, location, etag, links } = await publish();
  assert.equal(answer.statusCode, 201);
  assert.equal(answer.headers['content-type'], SDP);
  assert.match(answer.payload, /^v=0\r\n/);
  assert.match(location, /^\/whip\/sessions\/pub_/);
  assert.match(etag, /^"[^"]+"$/);
  assert.deepEqual([answer.headers['accept-patch'], answer.headers['access-control-allow-origin']], [FRAGMENT, '*']);
  assert.match(String(answer.headers['access-control-expose-headers']), /Location, ETag, Link/);
  assert.deepEqual(links.map((link) => /rel="([^"]+)"/.exec(link)?.[1]), ['ice-server', 'urn:x-earshot:events', 'urn:x-earshot:websocket', 'urn:x-earshot:webvtt', 'urn:x-earshot:hls']);
});

test('what was counted of a publisher\u2019s tracks is told to who may publish', async () => {
  const { location, peer } = await publish();
  assert.deepEqual((await ask('GET', `${location}/stats`)).json<{ data: unknown }>().data, { tracks: {} });
  peer?.handlers.track({ label: '0', source: new FedSource().pcm(loud(100)), stats: () => ({ ...NO_STATS, packetsLost: 7 }) });
  assert.deepEqual((await ask('GET', `${location}/stats`)).json<{ data: unknown }>().data, { tracks: { 0: { ...NO_STATS, packetsLost: 7 } } });
  await ask('DELETE', location);
  assert.deepEqual(codeOf(await ask('GET', `${location}/stats`)), [404, 'NOT_FOUND']);
});

test('candidates are trickled to the ICE session that they are for', async () => {
  const { peer, location, etag } = await publish();
  const taken = await patch(location, TRICKLE, etag);
  assert.deepEqual([taken.statusCode, taken.payload, taken.headers.etag], [204, '', undefined]);
  assert.deepEqual(peer?.candidates, [{ candidate: 'candidate:9 1 udp 1 192.0.2.9 9 typ host', sdpMid: '0' }]);
  assert.deepEqual(codeOf(await patch(location, TRICKLE)), [428, 'PRECONDITION_REQUIRED']);
  assert.deepEqual(codeOf(await patch(location, TRICKLE, '"other"')), [412, 'PRECONDITION_FAILED']);
  assert.deepEqual(codeOf(await patch(location, 'hello', etag)), [400, 'MESSAGE_MALFORMED']);
  assert.deepEqual(codeOf(await ask('PATCH', location, TRICKLE, { 'content-type': SDP, 'if-match': etag })), [415, 'MEDIA_TYPE_UNSUPPORTED']);
  assert.deepEqual(codeOf(await patch('/whip/sessions/pub_none', TRICKLE, etag)), [404, 'NOT_FOUND']);
  assert.equal(peer.candidates.length, 1);
});

test('new credentials restart ICE, and make the old entity tag worthless', async () => {
  const { peer, location, etag } = await publish();
  const restarted = await patch(location, fragment('new1', 'newpassword'), '"*"');
  assert.deepEqual([restarted.statusCode, restarted.headers['content-type']], [200, FRAGMENT]);
  assert.match(restarted.payload, /a=ice-ufrag:mine\r\na=ice-pwd:mypassword\r\na=candidate:/);
  assert.match(peer?.offers[1] ?? '', /a=ice-ufrag:new1\r\na=ice-pwd:newpassword\r\n$/);
  assert.equal(peer?.candidates.length, 1);
  const now = String(restarted.headers.etag);
  assert.notEqual(now, etag);
  assert.deepEqual(codeOf(await patch(location, TRICKLE, etag)), [412, 'PRECONDITION_FAILED']);
  assert.equal((await patch(location, fragment('new1', 'newpassword'), now)).statusCode, 204);
});

test('publishers of a room are lanes of one session under their names, until the last has left', async () => {
  const alice = await publish('/whip/standup?name=Alice');
  const { record } = await server.tenancy.keys.create(OPERATOR, 'default', { name: 'whip', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
  const { token } = await server.tenancy.tokens.mint(record, { permissions: ['scaiecho:transcribe'], ttlSeconds: 60, maxSessions: null, maxSessionSeconds: null, name: 'Bob' });
  const bob = await publish('/whip/standup?name=Alice', FAKE_OFFER, { authorization: `Bearer ${token}` });
  const other = await publish('/whip/other');
  assert.equal(bob.sessionId, alice.sessionId);
  assert.notEqual(other.sessionId, alice.sessionId);
  for (const { peer } of [alice, bob]) {
    peer?.handlers.track({ label: '0', source: new FedSource().pcm(joined(loud(1000), quiet(1000))), stats: () => NO_STATS });
    await settle();
  }
  assert.equal((await ask('DELETE', alice.location)).statusCode, 200);
  const session = server.sessions.find(alice.sessionId, 'default');
  assert.equal(session.state, 'open');
  assert.equal((await ask('DELETE', bob.location)).statusCode, 200);
  assert.equal(session.state, 'closed');
  assert.equal((await ask('DELETE', bob.location)).statusCode, 404);
  const events = await (await fetch(`${server.url}${BASE}/sessions/${alice.sessionId}/captions.vtt`)).text();
  assert.match(events, /<v Alice>w0 w1/);
  assert.match(events, /<v Bob>w0 w1/);
  assert.notEqual((await publish('/whip/standup')).sessionId, alice.sessionId, 'a new one begins anew');
});

test('a room of another tenant is another room, and a full one refuses', async () => {
  const { secret } = await server.tenancy.keys.create(OPERATOR, 'acme', { name: 'whip', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
  const ours = await publish('/whip/hall');
  const theirs = await publish('/whip/hall', FAKE_OFFER, { authorization: `Bearer ${secret}` });
  assert.notEqual(ours.sessionId, theirs.sessionId);
  assert.equal((await ask('DELETE', theirs.location)).statusCode, 404, 'not for us');
  for (let count = 1; count < 8; count += 1) assert.equal((await publish('/whip/hall')).answer.statusCode, 201);
  const ninth = await publish('/whip/hall');
  assert.deepEqual(codeOf(ninth.answer), [503, 'CAPACITY_EXCEEDED']);
  assert.ok(ninth.answer.headers['retry-after']);
});

test('a lost peer leaves as one that said goodbye, and a session that ends takes its publishers along', async () => {
  const lost = await publish();
  const session = server.sessions.find(lost.sessionId, 'default');
  await lost.peer?.close();
  await session.closed;
  assert.equal((await ask('GET', lost.location)).statusCode, 404);
  const ended = await publish('/whip/r');
  await server.sessions.find(ended.sessionId, 'default').close('finished');
  await settle();
  assert.equal(ended.peer?.closes, 1);
  assert.equal((await ask('GET', ended.location)).statusCode, 404);
});

test('what cannot be published is refused and leaves nothing', async () => {
  assert.deepEqual(codeOf((await publish('/whip', 'nonsense')).answer), [400, 'SDP_INVALID']);
  assert.deepEqual(codeOf((await publish('/whip/r', 'nonsense')).answer), [400, 'SDP_INVALID']);
  assert.deepEqual(codeOf((await publish('/whip', FAKE_OFFER, { 'content-type': 'application/json' })).answer), [415, 'MEDIA_TYPE_UNSUPPORTED']);
  assert.deepEqual(codeOf(await ask('POST', '/whip')), [415, 'MEDIA_TYPE_UNSUPPORTED']);
  assert.deepEqual(codeOf((await publish('/whip', FAKE_OFFER, { accept: 'application/json' })).answer), [406, 'NOT_ACCEPTABLE']);
  assert.deepEqual(codeOf((await publish('/whip', 'v'.repeat(65_537))).answer), [413, 'MESSAGE_TOO_LARGE']);
  assert.deepEqual(codeOf((await publish('/whip?endpointing_ms=1')).answer), [422, 'VALIDATION_ERROR']);
  assert.deepEqual([server.sessions.size, server.engine.peerCount], [0, 0]);
});

test('every request shows its key but the preflight, and who sends it in the address need not send it again', async () => {
  const elsewhere = { host: 'earshot.example' };
  const refused = await ask('POST', '/whip', FAKE_OFFER, { 'content-type': SDP, ...elsewhere });
  assert.deepEqual([...codeOf(refused), refused.headers['www-authenticate'], refused.headers['access-control-allow-origin']], [401, 'AUTH_TOKEN_MISSING', 'Bearer', '*']);
  const preflight = await ask('OPTIONS', '/whip/room', undefined, { ...elsewhere, origin: 'https://studio.example', 'access-control-request-method': 'POST' });
  assert.deepEqual([preflight.statusCode, preflight.headers['accept-post']], [204, SDP]);
  assert.match(String(preflight.headers['access-control-allow-headers']), /Authorization, Content-Type, If-Match/);
  const { location } = await publish(`/whip?token=${KEY}`, FAKE_OFFER, elsewhere);
  assert.equal((await ask('GET', location, undefined, elsewhere)).statusCode, 204);
  assert.equal((await ask('DELETE', location.split('?')[0] ?? '', undefined, elsewhere)).statusCode, 401);
  assert.equal((await ask('DELETE', location, undefined, elsewhere)).statusCode, 200);
});

test('a method that a resource has not is refused with those that it has', async () => {
  for (const [method, path, allow] of [['PUT', '/whip', 'POST'], ['DELETE', '/whip/room', 'POST'], ['POST', '/whip/sessions/pub_1', 'PATCH, DELETE']] as const) {
    const answer = await ask(method, path);
    assert.deepEqual(codeOf(answer), [405, 'METHOD_NOT_ALLOWED'], path);
    assert.ok(String(answer.headers.allow).startsWith(allow));
  }
  assert.equal((await ask('GET', '/whip')).statusCode, 204);
  assert.deepEqual(codeOf(await ask('GET', '/whip/a/b/c')), [404, 'NOT_FOUND']);
});
