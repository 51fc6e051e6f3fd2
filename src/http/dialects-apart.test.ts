import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { bytesOf } from '../../signaling/testing/raw-decoder.ts';
import { PERMISSIONS } from '../core/principal.ts';
import { joined, loud, quiet } from '../core/testing/audio.ts';
import { OPERATOR } from '../tenancy/testing/tenancy.ts';
import type { OpenApiDocument } from './openapi.ts';
import { BASE, startServer } from './testing/server.ts';

/* What a tenant has by one protocol, another tenant asks for by all others. */

type Message = Readonly<Record<string, unknown>>;

const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(500)));
const TEXT = /\bw1\b/;
const server = await startServer({ maxSessions: 100 });
after(() => server.close());
const keyOf = async (tenantId: string): Promise<string> => (await server.tenancy.keys.create(OPERATOR, tenantId, { name: 'app', permissions: PERMISSIONS, expiresAtMs: null, budget: null })).secret;
const owner = await keyOf('acme');
const stranger = await keyOf('other');
const asOwner = { authorization: `Bearer ${owner}` };
const socketUrl = server.url.replace('http', 'ws');

/** Every name that the owner's clients were told of what they have, by protocol. */
const names = new Map<string, readonly string[]>();

/** Says something by a protocol; sockets are left open where `goodbye` is absent. */
async function speak(path: string, { hello, goodbye }: { readonly hello?: object; readonly goodbye?: object } = {}): Promise<readonly Message[]> {
  const socket = new WebSocket(socketUrl + path, { headers: asOwner });
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
  await once(socket, 'open');
  if (hello) socket.send(JSON.stringify(hello));
  socket.send(SPEECH);
  if (goodbye) {
    socket.send(JSON.stringify(goodbye));
    await once(socket, 'close');
  } else {
    if (messages.length === 0) await once(socket, 'message');
    after(() => {
      socket.terminate();
    });
  }
  return messages;
}

/** What looks like an id anywhere in what a client was told. */
function idsIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => (/(^|_)id$|uuid|^url$/.test(key) && (typeof each === 'string' || typeof each === 'number') ? [String(each)] : idsIn(each)));
}

const told = (protocol: string, ...answers: readonly unknown[]): void => {
  names.set(protocol, [...new Set([...(names.get(protocol) ?? []), ...answers.flatMap(idsIn)])]);
};
const post = async (path: string, body: NonNullable<RequestInit['body']>, type: string): Promise<Response> => fetch(server.url + path, { method: 'POST', body, headers: { ...asOwner, 'content-type': type } });

const start = { type: 'start', sample_rate: 16_000, channels: 1 };
told('audiopod', await speak('/api/v1/transcription/stream', { hello: start, goodbye: { type: 'end' } }), await speak('/api/v1/transcription/stream', { hello: start }));
told('deepgram', await speak('/v1/listen?encoding=linear16&sample_rate=16000', { goodbye: { type: 'CloseStream' } }), await (await post('/v1/listen', SPEECH, 'audio/wav')).json());
told('pulse', await speak('/waves/v1/stt/live?model=pulse', { goodbye: { type: 'close_stream' } }), await (await post('/waves/v1/stt/?model=pulse', SPEECH, 'audio/wav')).json());
told('native', await speak(`${BASE}/stream/transcribe`, { hello: { type: 'open', media_type: 'audio/pcm;rate=16000' } }));
told('gladia', await (await post('/v2/live', '{}', 'application/json')).json());
const call = await post('/v1/realtime/calls', 'offer', 'application/sdp');
names.set('openai', [call.headers.get('location')?.split('/').at(-1) ?? assert.fail()]);
const published = await post('/whip', 'offer', 'application/sdp');
names.set('whip', [published.headers.get('location')?.split('/').at(-1) ?? assert.fail()]);
const { items } = await server.store.jobs.list('acme', {}, { limit: 200 });
names.set('jobs', [...items.map(({ id }) => id), ...(await server.store.jobs.numbers('acme', items.map(({ id }) => id))).map(String)]);

const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApiDocument;
const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, isSocket: operation['x-websocket'] === true, isPublic: operation['x-permission'] === 'public' })),
);
const withId = routes.filter(({ path, isPublic }) => /\{(id|sessionId|job|job_id)\}/i.test(path) && !isPublic);

test('every protocol told names, and there are paths that take some', () => {
  for (const [protocol, found] of names) assert.ok(found.length > 0, protocol);
  assert.ok(withId.length > 20);
});

for (const [protocol, found] of names) {
  test(`what was said by ${protocol} is nobody else’s, whatever protocol asks`, async () => {
    for (const { method, path, isSocket } of withId) {
      for (const name of found) {
        const url = path.replaceAll(/\{\w+\}/g, encodeURIComponent(name));
        const status = isSocket ? await knock(url) : await ask(method, url);
        assert.ok(status >= 400 && status < 500, `${method} ${url}: ${String(status)}`);
      }
    }
  });
}

test('names in queries open nothing either', async () => {
  for (const name of [...names.values()].flat()) {
    assert.ok((await knock(`/v1/realtime?call_id=${encodeURIComponent(name)}`)) >= 400, name);
  }
});

test('it is the owner’s all the same', async () => {
  const [number] = names.get('audiopod') ?? [];
  const answer = await fetch(`${server.url}/api/v1/transcription/jobs/${String(number)}/transcript?format=txt`, { headers: asOwner });
  assert.match(await answer.text(), TEXT);
});

async function ask(method: string, url: string): Promise<number> {
  const body = method === 'GET' || method === 'DELETE' ? {} : { payload: '{}', headers: { 'content-type': 'application/json' } };
  const answer = await server.app.inject({ method: method as 'GET', url, ...body, headers: { ...('headers' in body && body.headers), authorization: `Bearer ${stranger}` } });
  assert.doesNotMatch(answer.body, TEXT, url);
  return answer.statusCode;
}

/** The status that refuses the upgrade, or 101. */
async function knock(url: string): Promise<number> {
  const socket = new WebSocket(socketUrl + url, { headers: { authorization: `Bearer ${stranger}` } });
  try {
    return await new Promise<number>((resolve, reject) => {
      socket.on('unexpected-response', (_request, response) => {
        resolve(response.statusCode ?? 0);
      });
      socket.on('open', () => {
        resolve(101);
      });
      socket.on('error', reject);
    });
  } finally {
    socket.on('error', () => undefined);
    socket.terminate();
  }
}
