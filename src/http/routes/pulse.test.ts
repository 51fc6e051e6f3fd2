import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { proving } from '../../../compatibility/proving.ts';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { startRemote } from '../testing/remote.ts';
import { KEY, startServer } from '../testing/server.ts';

const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500)));
const server = await startServer({ maxUploadBytes: 1024 * 1024 });
const remote = await startRemote(SPEECH);
after(async () => {
  remote.close();
  await server.close();
});

const post = (path: string, body: NonNullable<RequestInit['body']> | null, headers: Record<string, string> = { 'content-type': 'application/octet-stream' }): Promise<Response> =>
  fetch(`${server.url}${path}`, { method: 'POST', body, headers: { authorization: `Bearer ${KEY}`, ...headers } });
const bodyOf = async (answer: Promise<Response>): Promise<Record<string, unknown>> => (await (await answer).json()) as Record<string, unknown>;
const byUrl = { body: JSON.stringify({ url: `${remote.url}/a.wav` }), headers: { 'content-type': 'application/json' } };

test(
  'a file is answered on every path, with and without the slash',
  proving('pulse', ['unified and older paths', 'files: bytes and addresses'], async () => {
    for (const path of ['/waves/v1/stt/?model=pulse', '/waves/v1/stt?model=pulse', '/waves/v1/pulse/get_text?', '/api/v1/pulse/get_text?']) {
      const { request_id: id, ...rest } = await bodyOf(post(`${path}&language=en`, SPEECH));
      assert.equal(typeof id, 'string');
      assert.deepEqual(rest, { status: 'success', transcription: 'w1 w2 w5', words: [], utterances: [], language: 'en', metadata: { duration: 3, fileSize: SPEECH.length } }, path);
    }
  }),
);

test(
  'who asks that nothing be kept is told that this cannot be had',
  proving('pulse', ['`x-expire-content`'], async () => {
    const asking = { 'x-expire-content': '60', authorization: `Bearer ${KEY}` };
    assert.equal((await post('/waves/v1/stt/?model=pulse', SPEECH, { 'content-type': 'audio/wav', ...asking })).headers.get('x-content-expiry'), 'unavailable');
    assert.equal((await post('/waves/v1/stt/?model=pulse', SPEECH)).headers.get('x-content-expiry'), null);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/waves/v1/stt/live?model=pulse`, { headers: asking });
    const [response] = (await once(socket, 'upgrade')) as [IncomingMessage];
    assert.equal(response.headers['x-content-expiry'], 'unavailable');
    socket.close();
    await once(socket, 'close');
  }),
);

test(
  'words and utterances come where they are asked for',
  proving('pulse', ['`word_timestamps`, `sentence_timestamps`'], async () => {
    const { words, utterances } = await bodyOf(post('/waves/v1/stt/?model=pulse&word_timestamps=true', byUrl.body, byUrl.headers));
    assert.deepEqual((words as unknown[])[0], { word: 'w1', start: 0.5, end: 1, confidence: 0.9 });
    assert.deepEqual(utterances, [
      { text: 'w1 w2', transcript: 'w1 w2', start: 0.5, end: 1.5 },
      { text: 'w5', transcript: 'w5', start: 2.5, end: 3 },
    ]);
  }),
);

test(
  'pulse-pro tells more of the request and has no utterances',
  proving('pulse', ['files: pulse-pro'], async () => {
    const answer = await bodyOf(post('/waves/v1/stt/?model=pulse-pro', SPEECH));
    assert.deepEqual([answer['totalBytes'], answer['language'], 'utterances' in answer], [SPEECH.length, 'en', false]);
    assert.deepEqual(Object.keys(answer['metadata'] as object), ['duration', 'processing_time_ms', 'rtfx', 'num_chunks']);
  }),
);

test(
  'with a webhook the result comes later, with what was to be echoed',
  proving('pulse', ['files: `webhook_url`, `webhook_extra`'], async () => {
    const query = (path: string): string => `/waves/v1/stt/?model=pulse&word_timestamps=true&webhook_extra=call:7,kind:test&webhook_url=${encodeURIComponent(`${remote.url}/${path}`)}`;
    const answer = await bodyOf(post(query('good'), SPEECH));
    assert.equal(answer['status'], 'processing');
    const told = (await remote.told('/good')) as Record<string, unknown>;
    assert.deepEqual([told['status'], told['transcription'], told['request_id'], told['extra']], ['success', 'w1 w2 w5', answer['request_id'], { call: '7', kind: 'test' }]);
    await post(query('bad'), 'BAD!');
    const failure = (await remote.told('/bad')) as Record<string, unknown>;
    assert.deepEqual([failure['status'], typeof failure['error'], failure['extra']], ['error', 'string', { call: '7', kind: 'test' }]);
  }),
);

test(
  'refusals have the vendor’s shape',
  proving('pulse', ['refusals before the upgrade'], async () => {
    const refused = async (answer: Promise<Response>): Promise<number> => {
      const response = await answer;
      const body = (await response.json()) as { error: string; message: string; request_id: string };
      assert.equal(body.error, body.message);
      assert.equal(typeof body.request_id, 'string');
      return response.status;
    };
    assert.equal(await refused(post('/waves/v1/stt/', SPEECH)), 400);
    assert.equal(await refused(post('/api/v1/electron/get_text', SPEECH)), 400);
    assert.equal(await refused(post('/waves/v1/stt/?model=pulse-pro&diarize=true', SPEECH)), 400);
    assert.equal(await refused(post('/waves/v1/stt/?model=pulse&webhook_extra=plain', SPEECH)), 400);
    assert.equal(await refused(post('/waves/v1/stt/?model=pulse', null, {})), 400);
    assert.equal(await refused(post('/waves/v1/stt/?model=pulse', 'BAD!')), 400);
    assert.equal(await refused(post('/waves/v1/stt/?model=pulse', new Uint8Array(1024 * 1024 + 2))), 413);
    assert.equal(await refused(post('/waves/v1/stt/?model=pulse', SPEECH, { authorization: 'Bearer wrong' })), 401);
  }),
);
