import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, Socket, type AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { eventually } from '../../src/core/testing/eventually.ts';
import type { Connection, WireMessage } from '../connection.ts';
import { WebSocketTransport, type WebSocketOptions } from './websocket.ts';

let server: Server;
let port = 0;
let transport = new WebSocketTransport();
let accepted: PromiseWithResolvers<Connection> = Promise.withResolvers();
const clients: { terminate(): void }[] = [];
/** The server's end of the last connection. */
let serverSocket: Socket | undefined;

before(async () => {
  server = createServer();
  server.on('upgrade', (request, socket, head) => {
    assert.ok(socket instanceof Socket);
    serverSocket = socket;
    transport.accept(request, socket, head, accepted.resolve);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
  transport.close();
});

after(() => server.close());

/** A client and the server's side of it. */
async function connected(options: WebSocketOptions = {}): Promise<{ client: WebSocket; connection: Connection }> {
  transport = new WebSocketTransport(options);
  accepted = Promise.withResolvers();
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  clients.push(client);
  const [connection] = await Promise.all([accepted.promise, once(client, 'open')]);
  return { client, connection };
}

/** A client that speaks the handshake and then only what the test writes. */
async function rawConnected(options: WebSocketOptions = {}): Promise<{ socket: Socket; connection: Connection }> {
  transport = new WebSocketTransport(options);
  accepted = Promise.withResolvers();
  const socket = connect(port, '127.0.0.1');
  clients.push({ terminate: () => socket.destroy() });
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
  return { socket, connection: await accepted.promise };
}

async function take(connection: Connection, count: number): Promise<WireMessage[]> {
  const messages: WireMessage[] = [];
  if (count > 0) for await (const message of connection.messages) if (messages.push(message) === count) break;
  return messages;
}

const closeOf = async (client: WebSocket): Promise<number> => ((await once(client, 'close')) as [number])[0];

test('text stays text and bytes stay bytes, in order, both ways', async () => {
  const { client, connection } = await connected();
  client.send('hello');
  client.send(Buffer.from([1, 2, 3]));
  client.send('');
  client.send('wörld');
  assert.deepEqual(await take(connection, 4), ['hello', Buffer.from([1, 2, 3]), '', 'wörld']);
  const received = once(client, 'message');
  await connection.send('answer');
  const [data, isBinary] = (await received) as [Buffer, boolean];
  assert.deepEqual([data.toString(), isBinary], ['answer', false]);
});

test('a client that goes ends the messages, after what it sent', async () => {
  const { client, connection } = await connected();
  client.send('last words');
  client.close(1000);
  const messages: WireMessage[] = [];
  for await (const message of connection.messages) messages.push(message);
  assert.deepEqual(messages, ['last words']);
  await connection.closed;
  await connection.send('to nobody');
  connection.close(1000, '');
  assert.equal(transport.size, 0);
});

test('a client that vanishes ends the messages too', async () => {
  const { client, connection } = await connected();
  client.terminate();
  assert.deepEqual(await take(connection, 1), []);
  await connection.closed;
});

test('close tells code and reason, once', async () => {
  const { client, connection } = await connected();
  const closed = once(client, 'close');
  connection.close(1008, 'SESSION_IDLE');
  connection.close(1011, 'again');
  const [code, reason] = (await closed) as [number, Buffer];
  assert.deepEqual([code, reason.toString()], [1008, 'SESSION_IDLE']);
  await connection.closed;
});

test('a message over the limit closes with 1009, one at the limit does not', async () => {
  const { client, connection } = await connected({ maxMessageBytes: 1000 });
  client.send(Buffer.alloc(1000));
  assert.equal((await take(connection, 1))[0]?.length, 1000);
  const closed = closeOf(client);
  client.send(Buffer.alloc(1001));
  assert.equal(await closed, 1009);
  await connection.closed;
});

test('broken frames close with a protocol error and break nothing else', async () => {
  const { socket, connection } = await rawConnected({ closeTimeoutMs: 20 });
  socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  assert.deepEqual(await take(connection, 1), []);
  await connection.closed;
});

test('a client that is not read is paused, and nothing is lost once it is', async () => {
  const frame = Buffer.alloc(64 * 1024, 7);
  const { client, connection } = await connected({ maxQueuedBytes: 4 * frame.length });
  const total = 400;
  let flushed = 0;
  for (let count = 0; count < total; count += 1) client.send(frame, () => (flushed += 1));
  // What the kernel takes of it differs; the server's own memory does not: it has asked for no more than its limit.
  await eventually(() => serverSocket?.isPaused() === true);
  const bytesRead = serverSocket?.bytesRead ?? 0;
  assert.ok(bytesRead < 4 * frame.length + 256 * 1024, `${bytesRead} bytes read`);
  assert.ok(flushed < total, 'the client is held up');
  assert.equal((await take(connection, total)).length, total);
});

test('a client that is still sending is told why it is sent away, long before it is dropped', { timeout: 20_000 }, async () => {
  const { client, connection } = await connected({ maxQueuedBytes: 128 * 1024, closeTimeoutMs: 3_600_000 });
  const frame = Buffer.alloc(64 * 1024);
  for (let count = 0; count < 400; count += 1) client.send(frame);
  await eventually(() => serverSocket?.isPaused() === true);
  const closed = closeOf(client);
  connection.close(1003, 'MESSAGE_MALFORMED');
  assert.equal(await closed, 1003);
});

test('send waits while the client reads too little', async () => {
  const { socket, connection } = await rawConnected({ maxBufferedBytes: 64 * 1024 });
  socket.pause();
  const text = 'x'.repeat(64 * 1024);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 400; sent += 1) await connection.send(text);
  })();
  await eventually(() => (serverSocket?.writableLength ?? 0) > 64 * 1024);
  const stuckAt = sent;
  assert.ok(stuckAt < 400);
  assert.ok((serverSocket?.writableLength ?? 0) < 3 * 64 * 1024, 'one message over the limit at most');
  socket.resume();
  await sending;
  assert.equal(sent, 400);
});

test('a client that reads nothing for too long is dropped', async () => {
  const { socket, connection } = await rawConnected({ maxBufferedBytes: 1024, sendTimeoutMs: 50 });
  socket.pause();
  const text = 'x'.repeat(64 * 1024);
  for (let count = 0; count < 10_000 && transport.size > 0; count += 1) await connection.send(text);
  await connection.closed;
  assert.equal(transport.size, 0);
});

test('a client that answers no ping is dropped', async () => {
  const { connection } = await rawConnected({ pingIntervalMs: 20 });
  await connection.closed;
  assert.equal(transport.size, 0);
});

test('a client that answers pings stays', async () => {
  const { client, connection } = await connected({ pingIntervalMs: 100 });
  for (let pings = 0; pings < 3; pings += 1) await once(client, 'ping');
  client.send('still here');
  assert.deepEqual(await take(connection, 1), ['still here']);
});

test('a client that is heard needs no pong, which may wait behind what it sends', async () => {
  const { socket, connection } = await rawConnected({ pingIntervalMs: 100 });
  let pings = 0;
  socket.on('data', (data: Buffer) => {
    if (data.includes(0x89)) pings += 1;
    // An empty text frame, masked by nothing.
    socket.write(Buffer.from([0x81, 0x80, 0, 0, 0, 0]));
  });
  await eventually(() => pings >= 3);
  socket.end(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x7a]));
  const messages: WireMessage[] = [];
  for await (const message of connection.messages) messages.push(message);
  assert.equal(messages.at(-1), 'z');
});

test('a client that does not answer the close is dropped in the end', async () => {
  const { connection } = await rawConnected({ closeTimeoutMs: 20 });
  connection.close(1000, 'finished');
  await connection.closed;
  assert.equal(transport.size, 0);
});

test('the transport drops what is open', async () => {
  const { client, connection } = await connected();
  assert.equal(transport.size, 1);
  const closed = closeOf(client);
  transport.close();
  await connection.closed;
  assert.equal(await closed, 1006);
});

test('what was sent is confirmed once the client has it, and never if it is gone before', async () => {
  const { client, connection } = await connected();
  const heard: string[] = [];
  client.on('message', (data: Buffer) => heard.push(data.toString()));
  void connection.send('first');
  assert.equal(await connection.confirm(), true);
  assert.deepEqual(heard, ['first']);
  client.terminate();
  assert.equal(await connection.confirm(), false);
  await connection.closed;
  assert.equal(connection.closeCode, 1006);
  assert.equal(await connection.confirm(), false);
});

test('the client’s close code is told', async () => {
  const { client, connection } = await connected();
  client.close(1001);
  await connection.closed;
  assert.equal(connection.closeCode, 1001);
});
