import assert from 'node:assert/strict';
import type http from 'node:http';
import { createServer } from 'node:net';
import test from 'node:test';
import { inspect } from 'node:util';
import type { WebSocket } from 'ws';
import { EarshotError } from '../../core/errors.ts';
import type { RecognizerStream } from '../../core/recognizer.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { textOf } from '../../core/transcript.ts';
import { createRelay } from './index.ts';
import type { RelayKind, RelaySettings } from './settings.ts';
import { hastyClock } from './testing/hasty-clock.ts';
import { relaySettings } from './testing/settings.ts';
import { answerJson, startUpstream, type Upstream, type UpstreamBehaviour } from './testing/upstream.ts';
import { deepgramBehaviour, gladiaBehaviour, openAiBehaviour } from './testing/well-behaved.ts';
import { UpstreamSocket } from './upstream-socket.ts';

const SECRET = 'sk-never-to-be-seen';
const SPEECH = joined(quiet(100), loud(900), quiet(100));
/** For what ends in a timeout. */
const BRIEF = { connectMs: 4000, silenceMs: 4000, answerMs: 4000 };
const HTTP_KINDS = ['openai', 'earshot'] as const;

interface Told {
  /** Words of one segment, or the code that ended the stream. */
  readonly said: string;
  readonly error?: EarshotError;
  readonly requests: number;
}

type Say = (stream: RecognizerStream, upstream: Upstream) => Promise<string>;

/** Says something through a relay to an upstream that behaves so, and tells what came of it. */
async function relayed(kind: RelayKind, behaviour: UpstreamBehaviour, changes: Partial<RelaySettings> = {}, say: Say = segment): Promise<Told> {
  const upstream = await startUpstream(behaviour);
  const relay = createRelay(relaySettings(kind, upstream.url, changes), { clock: hastyClock, credentialOf: async () => SECRET });
  const lease = relay.admit('live', { tenantId: 'tenant' });
  try {
    const stream = lease.openStream({ interim: () => undefined, recovered: () => undefined });
    return { said: await say(stream, upstream), requests: upstream.seen.length };
  } catch (error) {
    assert.ok(error instanceof EarshotError, inspect(error));
    assert.ok(!inspect(error, { depth: 10, showHidden: true }).includes(SECRET), 'the key is in the error');
    return { said: error.code, error, requests: upstream.seen.length };
  } finally {
    await lease.release();
    await upstream.close();
  }
}

async function segment(stream: RecognizerStream): Promise<string> {
  return (await spokenAt(stream, 0)).text;
}

async function spokenAt(stream: RecognizerStream, startSample: number): Promise<{ text: string; endSample: number }> {
  stream.beginSegment(startSample);
  for (let offset = 0; offset < SPEECH.length; offset += 512) {
    const samples = SPEECH.subarray(offset, offset + 512);
    await stream.write({ kind: 'pcm', startSample: startSample + offset, samples });
  }
  const endSample = startSample + SPEECH.length;
  return { text: textOf(await stream.endSegment(endSample)), endSample };
}

/** Takes the stream and does this with the first audio, then nothing. */
const onAudio = (act: (socket: WebSocket) => void): UpstreamBehaviour => ({
  ...gladiaBehaviour,
  socket: (socket) => {
    socket.once('message', () => {
      act(socket);
    });
  },
});

/** The raw connection under a WebSocket. */
const raw = (socket: WebSocket): { write: (bytes: Buffer) => void } => (socket as unknown as { _socket: { write: (bytes: Buffer) => void } })._socket;

const STREAM_FAULTS: Readonly<Record<string, { readonly act: (socket: WebSocket) => void; readonly code: string }>> = {
  'goes silent after it accepted': { act: () => undefined, code: 'BACKEND_TIMEOUT' },
  'closes in the middle of a word': { act: (socket) => { socket.close(1011, 'NET-0000'); }, code: 'BACKEND_ERROR' },
  'closes in the middle of a word as if all were well': { act: (socket) => { socket.close(1000); }, code: 'BACKEND_ERROR' },
  'breaks off in the middle of a word': { act: (socket) => { socket.terminate(); }, code: 'BACKEND_ERROR' },
  'closes to be asked later': { act: (socket) => { socket.close(1013); }, code: 'BACKEND_UNAVAILABLE' },
  'closes because of too many streams': { act: (socket) => { socket.close(4429); }, code: 'BACKEND_RATE_LIMITED' },
  'sends what is not JSON': { act: (socket) => { socket.send('<html>'); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'sends half a message': { act: (socket) => { socket.send('{"type":"Results","start":0,"dur'); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'sends Results of another shape': { act: (socket) => { socket.send('{"type":"Results","start":"0","channel":[]}'); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'sends a transcript of another shape': { act: (socket) => { socket.send('{"type":"transcript","data":{"text":"hello"}}'); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'sends binary frames': { act: (socket) => { socket.send(Buffer.alloc(10)); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'sends a huge frame': { act: (socket) => { socket.send(`"${'x'.repeat(2 * 1024 * 1024)}"`); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'sends bytes that are no frame': { act: (socket) => { raw(socket).write(Buffer.from([0xff, 0xff, 0xff, 0xff])); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
};

for (const kind of ['deepgram', 'gladia'] as const) {
  for (const [name, { act, code }] of Object.entries(STREAM_FAULTS)) {
    // A message of the other protocol is none to this one: it is passed over.
    const isForeign = name.includes(kind === 'deepgram' ? 'a transcript' : 'Results');
    test(`${kind}: an upstream that ${name} is ${isForeign ? 'BACKEND_TIMEOUT' : code}`, async () => {
      const expected = isForeign ? 'BACKEND_TIMEOUT' : code;
      const { said } = await relayed(kind, onAudio(act), expected === 'BACKEND_TIMEOUT' ? BRIEF : {});
      assert.equal(said, expected);
    });
  }

  test(`${kind}: an upstream that talks and never answers is BACKEND_TIMEOUT`, async () => {
    const chatter = onAudio((socket) => {
      const timer = setInterval(() => { socket.send('{"type":"Metadata"}'); }, 5);
      socket.on('close', () => { clearInterval(timer); });
    });
    assert.equal((await relayed(kind, chatter, { answerMs: 4000 })).said, 'BACKEND_TIMEOUT');
  });

  test(`${kind}: an upstream that reports an error ends the stream, and its words stay out of ours`, async () => {
    const type = kind === 'deepgram' ? 'Error' : 'error';
    const { said, error } = await relayed(kind, onAudio((socket) => { socket.send(JSON.stringify({ type, message: `bad key ${SECRET}` })); }));
    assert.equal(said, 'BACKEND_ERROR');
    assert.doesNotMatch(error?.message ?? '', /bad key/);
  });

  test(`${kind}: an upstream that never takes the stream is BACKEND_TIMEOUT, and nobody there is BACKEND_UNAVAILABLE`, async () => {
    assert.equal((await relayed(kind, {}, { ...BRIEF, url: await deaf() })).said, 'BACKEND_TIMEOUT');
    assert.equal((await relayed(kind, {}, { url: 'http://127.0.0.1:9' })).said, 'BACKEND_UNAVAILABLE');
  });

  test(`${kind}: a connection lost while nothing is awaited is made anew, and no word is lost`, async () => {
    const behaviour = kind === 'deepgram' ? deepgramBehaviour : gladiaBehaviour;
    const { said, requests } = await relayed(kind, behaviour, {}, async (stream, upstream) => {
      const one = await spokenAt(stream, 0);
      for (const socket of upstream.sockets) socket.close(1011);
      await eventually(() => upstream.sockets.size === 0);
      await new Promise((resolve) => setImmediate(resolve));
      const two = await spokenAt(stream, one.endSample + 500);
      return `${one.text} / ${two.text}`;
    });
    assert.equal(said.split(' / ').every((text) => text.split(' ').length === 2), true, said);
    assert.equal(requests, kind === 'deepgram' ? 2 : 4);
  });
}

/** The address of a server that accepts connections and never says anything. */
async function deaf(): Promise<string> {
  const server = createServer((socket) => { socket.on('error', () => undefined).resume(); });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `http://127.0.0.1:${String((server.address() as { port: number }).port)}`;
}

test('deepgram: results that come late are waited for', async () => {
  const late: UpstreamBehaviour = {
    socket: (socket) => {
      const send = socket.send.bind(socket);
      socket.send = ((data: string) => { setTimeout(() => { send(data); }, 100); }) as typeof socket.send;
      deepgramBehaviour.socket?.(socket);
    },
  };
  assert.equal((await relayed('deepgram', late)).said, 'w0. w1.');
});

test('deepgram: an upstream that owes no answer to a short segment, and lives, has nothing to say', async () => {
  const { said } = await relayed('deepgram', { socket: (socket) => { socket.on('message', () => undefined); } }, {}, async (stream) => {
    await stream.write({ kind: 'pcm', startSample: 0, samples: new Int16Array(8000) });
    stream.beginSegment(0);
    return `[${textOf(await stream.endSegment(8000))}]`;
  });
  assert.equal(said, '[]');
});

/** Refusals by HTTP, of an upgrade, of a new session, or of an upload. */
function refusing(status: number, headers: Readonly<Record<string, string>> = {}, times = Infinity, then: UpstreamBehaviour = {}): UpstreamBehaviour {
  let left = times;
  return {
    ...then,
    refuse: () => ((left -= 1) >= 0 ? { status, headers } : undefined),
    request: (request, response, body) => {
      if ((left -= 1) >= 0) response.writeHead(status, headers).end(`{"error":{"message":"Incorrect API key provided: ${SECRET}"}}`);
      else void then.request?.(request, response, body);
    },
  };
}

for (const [kind, behaviour] of [['deepgram', deepgramBehaviour], ['openai', openAiBehaviour]] as const) {
  test(`${kind}: refusals are typed, tried again where that helps, and say when to come back`, async () => {
    const denied = await relayed(kind, refusing(401));
    assert.deepEqual([denied.said, denied.requests], ['BACKEND_UNAVAILABLE', 1]);
    assert.match(denied.error?.message ?? '', /refuses the API key .*operator/);

    const limited = await relayed(kind, refusing(429, { 'retry-after': '7' }));
    assert.deepEqual([limited.said, limited.error?.retryAfterSeconds, limited.requests], ['BACKEND_RATE_LIMITED', 7, 1]);

    const brief = await relayed(kind, refusing(429, { 'retry-after': '1' }, 2, behaviour));
    assert.deepEqual([brief.said.split(' ').length, brief.requests], [2, 3], brief.said);

    const down = await relayed(kind, refusing(503));
    assert.deepEqual([down.said, down.requests], ['BACKEND_UNAVAILABLE', 3]);
  });
}

test('gladia: a session that is refused is a refusal', async () => {
  assert.equal((await relayed('gladia', refusing(401))).said, 'BACKEND_UNAVAILABLE');
  assert.equal((await relayed('gladia', { request: (_request, response) => { answerJson(response, { id: 'S', url: 'file:///etc/passwd' }, 201); } })).said, 'UPSTREAM_SHAPE_MISMATCH');
});

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

const UPLOAD_FAULTS: Readonly<Record<string, { readonly answer: Answer; readonly code: string }>> = {
  'never answers': { answer: () => undefined, code: 'BACKEND_TIMEOUT' },
  'answers with a page': { answer: (_, response) => { response.end('<html>'); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'answers in another shape': { answer: (_, response) => { answerJson(response, { result: 'hello' }); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'answers with times that are none': { answer: (_, response) => { answerJson(response, { text: 'a', data: { transcript: 'a', segments: [{ text: 'a', start: -1, end: 0, words: [] }] }, words: [{ word: 'a', start: -1, end: 'x' }] }); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'breaks its answer off': {
    answer: (_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"text":"hel', () => { response.destroy(); });
    },
    code: 'BACKEND_UNAVAILABLE',
  },
  'stops in the middle of its answer': { answer: (_, response) => { response.writeHead(200).write('{"text":"hel'); }, code: 'BACKEND_TIMEOUT' },
  'answers without end': {
    answer: (_, response) => {
      const more = (): void => { while (!response.destroyed && response.write('x'.repeat(65_536))); };
      response.on('drain', more).on('error', () => undefined);
      more();
    },
    code: 'UPSTREAM_SHAPE_MISMATCH',
  },
  'sends us elsewhere': { answer: (_, response) => { response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end(); }, code: 'UPSTREAM_SHAPE_MISMATCH' },
  'refuses the request': { answer: (_, response) => { response.writeHead(400).end(SECRET); }, code: 'BACKEND_ERROR' },
};

for (const kind of HTTP_KINDS) {
  for (const [name, { answer, code }] of Object.entries(UPLOAD_FAULTS)) {
    test(`${kind}: an upstream that ${name} is ${code}`, async () => {
      assert.equal((await relayed(kind, { request: answer }, code === 'BACKEND_TIMEOUT' ? BRIEF : {})).said, code);
    });
  }
}

test('the key goes where it belongs, and the language, model and question about times with it', async () => {
  const seen = async (kind: RelayKind, behaviour: UpstreamBehaviour, changes: Partial<RelaySettings> = {}): Promise<Upstream['seen']> => {
    let all: Upstream['seen'] = [];
    await relayed(kind, behaviour, changes, async (stream, upstream) => {
      all = upstream.seen;
      return segment(stream);
    });
    return all;
  };
  const [deepgram] = await seen('deepgram', deepgramBehaviour, { model: 'nova-9' });
  assert.equal(deepgram?.headers.authorization, `Token ${SECRET}`);
  assert.match(deepgram.url, /^\/v1\/listen\?model=nova-9&language=en&encoding=linear16&sample_rate=16000/);
  const [init, socket] = await seen('gladia', gladiaBehaviour);
  assert.deepEqual([init?.headers['x-gladia-key'], socket?.headers['x-gladia-key'], socket?.url], [SECRET, undefined, '/v2/live?token=t']);
  const [openai] = await seen('openai', openAiBehaviour);
  assert.equal(openai?.headers.authorization, `Bearer ${SECRET}`);
});

test('openai: without word times every word is marked and has the time of its chunk', async () => {
  const { said } = await relayed('openai', openAiBehaviour, { wordTimes: false }, async (stream) => {
    stream.beginSegment(0);
    await stream.write({ kind: 'pcm', startSample: 0, samples: SPEECH });
    const words = await stream.endSegment(SPEECH.length);
    assert.ok(words.every((word) => word.untimed === true && word.startSample === 0 && word.endSample === SPEECH.length));
    return textOf(words);
  });
  assert.equal(said, 'W0, W1,');
});

test('a chunked relay cuts at the length that the session wishes, and a segment beyond it goes in several uploads', async () => {
  const upstream = await startUpstream(openAiBehaviour);
  const relay = createRelay(relaySettings('openai', upstream.url), { clock: hastyClock, credentialOf: async () => undefined });
  const lease = relay.admit('live', { tenantId: 'tenant', chunkSeconds: 2 });
  assert.equal(lease.capabilities?.maxSegmentSamples, 32_000);
  const stream = lease.openStream({ interim: () => undefined, recovered: () => undefined });
  stream.beginSegment(0);
  const speech = loud(7000);
  for (let offset = 0; offset < speech.length; offset += 512) await stream.write({ kind: 'pcm', startSample: offset, samples: speech.subarray(offset, offset + 512) });
  const words = await stream.endSegment(speech.length);
  assert.deepEqual([words.length, words.at(-1)?.endSample], [14, speech.length]);
  assert.equal(upstream.seen.length, 3);
  await lease.release();
  await upstream.close();
});

test('an upstream that reads slowly holds back whoever writes, and loses nothing', async () => {
  const received: number[] = [];
  const upstream = await startUpstream({
    socket: (socket) => {
      socket.pause();
      socket.on('message', (data: Buffer) => received.push(data.length));
    },
  });
  const socket = new UpstreamSocket({
    relayId: 'slow',
    clock: hastyClock,
    connectMs: 100_000,
    locate: async () => ({ url: upstream.url.replace('http', 'ws'), headers: {} }),
    onOpen: () => undefined,
    onText: () => undefined,
    onPong: () => undefined,
    onLost: () => undefined,
  });
  const frame = new Uint8Array(64 * 1024);
  let sent = 0;
  let most = 0;
  const writing = (async () => {
    for (; sent < 500; sent += 1) {
      socket.send(frame);
      most = Math.max(most, socket.pendingBytes);
      await socket.drained();
    }
  })();
  await eventually(() => socket.pendingBytes > 256 * 1024);
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(sent < 500, 'nobody was held back');
  for (const client of upstream.sockets) client.resume();
  await writing;
  await eventually(() => received.length === 500);
  assert.ok(most <= 256 * 1024 + frame.length, `${most} bytes waited`);
  socket.close();
  await upstream.close();
});
