import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { Outbound, type OutboundAnswer } from './outbound.ts';

const asked: string[] = [];
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  asked.push(request.url ?? '');
  const [, kind = '', rest = ''] = /^\/([a-z]+)\/?(.*)$/.exec(request.url ?? '') ?? [];
  if (kind === 'to') response.writeHead(302, { location: decodeURIComponent(rest) }).end();
  else if (kind === 'loop') response.writeHead(302, { location: '/loop' }).end();
  else if (kind === 'half') response.writeHead(200, { 'content-length': '10' }).write('half', () => response.destroy());
  else if (kind === 'mute') response.writeHead(200).write('so far');
  else if (kind === 'silent') return;
  else response.end(`${request.method ?? ''} ${String(request.headers.host)}`);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
after(() => {
  server.closeAllConnections();
  server.close();
});

const LOOPBACK = { address: '127.0.0.1', family: 4 };
const signal = new AbortController().signal;
const get = (outbound: Outbound, url: string, maxRedirects = 0): Promise<OutboundAnswer> => outbound.request(url, { method: 'GET', signal, maxRedirects });

async function text(answer: OutboundAnswer): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts).toString();
}

const open = new Outbound({ allowedNetworks: ['127.0.0.1'], idleTimeoutMs: 300 });
const guarded = new Outbound();

test('an allowed address is asked and its answer read', async () => {
  const answer = await get(open, `http://127.0.0.1:${String(port)}/hello`);
  assert.deepEqual([answer.status, await text(answer)], [200, `GET 127.0.0.1:${String(port)}`]);
});

test('a private address is refused however it is written, before anything is sent', async () => {
  const hosts = ['127.0.0.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:0:0:1]', 'localhost', 'LOCALHOST.', 'a.localhost', '0', '169.254.169.254', '127.0.0.1.', '１２７.0.0.1'];
  const before = asked.length;
  for (const host of hosts) {
    assert.notEqual(guarded.refusal(`http://${host}:${String(port)}/`), undefined, host);
    await assert.rejects(get(guarded, `http://${host}:${String(port)}/`), { code: 'URL_NOT_ALLOWED' }, host);
  }
  assert.equal(asked.length, before);
});

test('other schemes, user names and what is no address are refused', () => {
  for (const url of ['', 'file:///etc/passwd', 'ftp://example.com/', 'gopher://example.com', '//example.com', 'http://user:pass@example.com/', 'http://', `http://example.com/${'a'.repeat(2048)}`]) {
    assert.notEqual(open.refusal(url), undefined, url);
  }
  assert.equal(guarded.refusal('https://example.com/a.wav?token=1'), undefined);
});

test('a name that resolves to a private address is refused, also where a public one stands beside it', async () => {
  for (const found of [[LOOPBACK], [{ address: '93.184.216.34', family: 4 }, LOOPBACK], [{ address: '::ffff:127.0.0.1', family: 6 }]]) {
    const outbound = new Outbound({ resolve: () => Promise.resolve(found) });
    await assert.rejects(get(outbound, `http://rebind.example:${String(port)}/`), { code: 'URL_NOT_ALLOWED' });
  }
});

test('a name is resolved once, and what was looked at is what is connected to', async () => {
  const answers = [[LOOPBACK], [{ address: '192.0.2.1', family: 4 }]];
  let lookups = 0;
  const outbound = new Outbound({ allowedNetworks: ['127.0.0.1'], resolve: () => Promise.resolve(answers[lookups++] ?? []) });
  assert.equal(await text(await get(outbound, `http://flip.example:${String(port)}/`)), `GET flip.example:${String(port)}`);
  assert.equal(lookups, 1);
});

test('a redirect is an answer unless it is to be followed, and then every step is looked at', async () => {
  const to = (target: string): string => `http://127.0.0.1:${String(port)}/to/${encodeURIComponent(target)}`;
  assert.equal((await get(open, to('/hello'))).status, 302);
  assert.match(await text(await get(open, to('/hello'), 3)), /^GET/);
  await assert.rejects(get(open, `http://127.0.0.1:${String(port)}/loop`, 3), { code: 'URL_UNREACHABLE' });
  await assert.rejects(get(open, to('file:///etc/passwd'), 3), { code: 'URL_NOT_ALLOWED' });
  await assert.rejects(get(open, to('http://user@127.0.0.1/'), 3), { code: 'URL_NOT_ALLOWED' });
  for (const host of ['127.0.0.2', '[::1]', '169.254.169.254', 'localhost.evil.example']) {
    const followed = new Outbound({ allowedNetworks: ['127.0.0.1'], resolve: () => Promise.resolve([{ address: '10.0.0.1', family: 4 }]) });
    await assert.rejects(get(followed, to(`http://${host}:${String(port)}/`), 3), { code: 'URL_NOT_ALLOWED' }, host);
  }
});

test('nobody there, a name without address, an answer that breaks off, silence before and within it', async () => {
  const none = new Outbound({ resolve: () => Promise.resolve([]) });
  const lost = new Outbound({ resolve: () => Promise.reject(new Error('ENOTFOUND')) });
  for (const [outbound, url] of [[open, 'http://127.0.0.1:1/'], [none, 'http://none.example/'], [lost, 'http://lost.example/'], [open, `http://127.0.0.1:${String(port)}/silent`]] as const) {
    await assert.rejects(get(outbound, url), { code: 'URL_UNREACHABLE' }, url);
  }
  for (const kind of ['half', 'mute']) {
    await assert.rejects(get(open, `http://127.0.0.1:${String(port)}/${kind}`).then(text), { code: 'URL_UNREACHABLE' }, kind);
  }
});

test('who gives up is told so', async () => {
  const gone = new AbortController();
  const asking = open.request(`http://127.0.0.1:${String(port)}/silent`, { method: 'GET', signal: gone.signal });
  gone.abort(new Error('enough'));
  await assert.rejects(asking, { message: 'enough' });
});
