import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { placesAt } from '../../core/testing/fake-backend.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { BASE, KEY, startServer, type ErrorAnswer, type TestServer } from '../testing/server.ts';

const server = await startServer();
after(() => server.close());

type Frame = Record<string, unknown>;

/** A client that keeps what it is told, until it is closed. */
function join(path: string, options: { readonly headers?: Record<string, string>; readonly to?: TestServer } = {}) {
  const socket = new WebSocket(`${(options.to ?? server).url.replace('http', 'ws')}${path}`, { headers: options.headers ?? {} });
  const frames: Frame[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame));
  const closed = once(socket, 'close').then(([code]) => code as number);
  return { socket, frames, closed, opened: once(socket, 'open') };
}

/** How an upgrade is refused: in plain HTTP. */
async function refusal(path: string, headers: Record<string, string> = {}): Promise<[number | undefined, string]> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, { headers });
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const { error } = JSON.parse(await text(response)) as ErrorAnswer;
  return [response.statusCode, error.code];
}

const STREAM = `${BASE}/stream/transcribe`;

test('a stream is transcribed over a real socket', async () => {
  const { socket, frames, closed, opened } = join(STREAM);
  await opened;
  socket.send('{"type":"open","media_type":"audio/pcm"}');
  socket.send(bytesOf(joined(loud(1000), quiet(1000), loud(1000))));
  socket.send('{"type":"close"}');
  assert.equal(await closed, 1000);
  assert.deepEqual(frames.filter((frame) => frame['is_final'] === true).map((frame) => frame['text']), ['w0 w1', 'w4 w5']);
  assert.deepEqual([frames[0]?.['type'], frames.at(-1)?.['type']], ['ready', 'closed']);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /earshot_stage_seconds_count\{stage="queue"\} [1-9]/);
});

test('the key comes by query or header', async () => {
  const elsewhere = { host: 'earshot.example' };
  for (const [path, headers] of [[`${STREAM}?token=${KEY}`, elsewhere], [`${STREAM}/`, { ...elsewhere, authorization: `Bearer ${KEY}` }]] as const) {
    const { socket, opened, closed } = join(path, { headers });
    await opened;
    socket.close();
    await closed;
  }
});

test('who is not let in is refused before the upgrade', async () => {
  assert.deepEqual(await refusal(STREAM, { host: 'earshot.example' }), [401, 'AUTH_TOKEN_MISSING']);
  assert.deepEqual(await refusal(STREAM, { origin: 'http://evil.example' }), [401, 'AUTH_TOKEN_MISSING']);
  assert.deepEqual(await refusal(`${STREAM}?token=wrong`), [401, 'AUTH_TOKEN_INVALID']);
  assert.deepEqual(await refusal('/v1/nothing'), [404, 'NOT_FOUND']);
  assert.deepEqual(await refusal(`${BASE}/webrtc/sessions/ses_gone/control`), [404, 'NOT_FOUND']);
  assert.equal(server.webSockets.size, 0);
});

test('a handshake that is none is answered and harms nobody', async () => {
  for (const request of [
    `GET ${STREAM} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    `GET ${STREAM} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n`,
    'GET // HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    'GET http://[ HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ]) {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(request);
    assert.match((await text(socket)).split('\r\n')[0] ?? '', /^HTTP\/1\.1 4\d\d /);
  }
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
});

test('a control socket joins its session where it left it, and only its own', async () => {
  const session = server.sessions.create({ tenantId: 'default', admit: placesAt(server.recognizer) });
  await server.webrtc.open(session, 'offer');
  const control = `${BASE}/webrtc/sessions/${session.id}/control`;
  const first = join(control);
  await once(first.socket, 'message');
  assert.deepEqual(first.frames, [{ type: 'ready', session_id: session.id, backend_used: 'A', model: 'fake-model' }]);
  first.socket.terminate();
  await first.closed;
  await session.flush();
  const second = join(`${control}?after_seq=1`);
  await once(second.socket, 'message');
  assert.deepEqual(second.frames, [{ type: 'flushed', seq: 2 }]);
  second.socket.send('{"type":"close"}');
  assert.equal(await second.closed, 1000);
  assert.deepEqual(await refusal(`${control}?after_seq=-1`), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await refusal(`${control}?after_seq=x`), [422, 'VALIDATION_ERROR']);
  const future = join(`${control}?after_seq=99`);
  assert.equal(await future.closed, 1008);
  assert.equal(future.frames[0]?.['code'], 'VALIDATION_ERROR');
  const other = server.sessions.create({ tenantId: 'other', admit: placesAt(server.recognizer) });
  await server.webrtc.open(other, 'offer');
  assert.deepEqual(await refusal(`${BASE}/webrtc/sessions/${other.id}/control`), [404, 'NOT_FOUND']);
  await other.close('finished');
});

test('a failure of the server is logged, one of the client is not', async () => {
  const own = await startServer();
  const wrong = join(STREAM, { to: own });
  await wrong.opened;
  wrong.socket.send('nonsense');
  assert.equal(await wrong.closed, 1003);
  assert.deepEqual(own.logged, []);
  const failing = join(STREAM, { to: own });
  await failing.opened;
  failing.socket.send('{"type":"open","media_type":"audio/pcm"}');
  failing.socket.send(bytesOf(loud(100)));
  await eventually(() => own.recognizer.writtenSamples > 0);
  own.recognizer.fail();
  failing.socket.send(bytesOf(loud(100)));
  assert.equal(await failing.closed, 1011);
  assert.deepEqual(own.logged, ['warn stream failed']);
  await own.close();
});

test('after all of that nothing is left', async () => {
  await eventually(() => server.webSockets.size === 0);
  assert.deepEqual([server.sessions.size, server.recognizer.snapshot().activeSessions], [0, 0]);
  assert.deepEqual(server.logged, []);
});
