import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { bytesOf } from '../../signaling/testing/raw-decoder.ts';
import { loud } from '../core/testing/audio.ts';
import { eventually } from '../core/testing/eventually.ts';
import { KEY, startServer } from './testing/server.ts';

const MAX_UPLOAD_BYTES = 512 * 1024;
const server = await startServer({ maxUploadBytes: MAX_UPLOAD_BYTES });
after(() => server.close());

/** An upload whose length is not told. */
function upload(): ClientRequest {
  const request = httpRequest(`${server.url}/v1/listen`, { method: 'POST', agent: false, headers: { authorization: `Token ${KEY}`, 'content-type': 'audio/wav', 'transfer-encoding': 'chunked' } });
  request.on('error', () => undefined);
  return request;
}

test('a recording is heard while it is uploaded', async () => {
  const heardBefore = server.recognizer.writtenSamples;
  const request = upload();
  request.write(bytesOf(loud(2000)));
  await eventually(() => server.recognizer.writtenSamples > heardBefore);
  request.end(bytesOf(loud(1000)));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const { results } = (await json(response)) as { results: { channels: { alternatives: { transcript: string }[] }[] } };
  assert.equal(results.channels[0]?.alternatives[0]?.transcript, 'w0 w1 w2 w3 w4 w5');
});

test('an upload that becomes too long is refused, and gives its place back', async () => {
  const request = upload();
  request.write(new Uint8Array(MAX_UPLOAD_BYTES / 2));
  request.end(new Uint8Array(MAX_UPLOAD_BYTES));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const { err_code: code } = (await json(response)) as { err_code: string };
  assert.deepEqual([response.statusCode, code], [413, 'PAYLOAD_TOO_LARGE']);
  await eventually(() => server.sessions.size === 0);
});

test('a refusal reaches a client that is still sending', async () => {
  const request = upload();
  request.write('BAD!');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.deepEqual([response.statusCode, ((await json(response)) as { err_code: string }).err_code], [400, 'PAYLOAD_ERROR']);
  request.destroy();
});

test('a client that goes away in the middle leaves nothing behind', async () => {
  const request = upload();
  request.write(bytesOf(loud(1000)));
  await eventually(() => server.sessions.size === 1);
  request.destroy();
  await eventually(() => server.sessions.size === 0);
  assert.deepEqual(server.logged.filter((line) => line.startsWith('error')), []);
});
