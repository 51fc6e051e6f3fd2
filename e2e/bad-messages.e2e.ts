import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import { exchange, requestHead } from './clients/raw-http.ts';
import { type Answer, call, transcribed, upload } from './clients/rest.ts';
import { RefusedUpgrade, StreamClient } from './clients/stream.ts';
import type { ErrorFrame } from './clients/wire.ts';
import { type CreatedSession, joinControl, WebRtcClient } from './clients/webrtc.ts';
import { API, TestServer } from './server.ts';
import { synthesize } from './speech.ts';
import { SENTENCES } from './spoken.ts';

const SOCKET_PATH = `${API}/stream/transcribe`;
const OPEN = { type: 'open', media_type: 'audio/wav' };
const LONG_GONE = 'ses_00000000-0000-4000-8000-000000000000';
const CANDIDATE = { candidate: 'candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host', sdpMid: '0', sdpMLineIndex: 0 };

describe('messages that break the rules', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());
  afterEach(() => server.idle());

  function assertRefused(answer: Answer<unknown>, status: number, code: string): void {
    assert.equal(answer.error?.code, code, JSON.stringify(answer.error));
    assert.equal(answer.status, status);
    assert.match(answer.headers.get('x-request-id') ?? '', /^req_/);
  }

  describe('on the WebSocket', () => {
    async function expectError(code: string, closeCode: number, messages: readonly (string | Uint8Array | Record<string, unknown>)[]): Promise<ErrorFrame | undefined> {
      const client = await StreamClient.connect(server);
      for (const message of messages) client.send(message);
      assert.equal(await client.closeCode(), closeCode);
      assert.equal(client.error?.code, code, JSON.stringify(client.frames));
      assert.equal(client.frames.at(-1), client.error, 'nothing follows an error');
      return client.error;
    }

    const refuses = (...expected: Parameters<typeof expectError>) => async (): Promise<void> => {
      await expectError(...expected);
    };

    for (const message of ['[1,2]', '"open"', 'null', '17', 'hello', '{"type":"open"', '', '{}', '{"type":"sing"}', '{"type":"close"}']) {
      it(`${JSON.stringify(message)} first`, refuses('MESSAGE_MALFORMED', 1003, [message]));
    }
    it('audio before open', refuses('MESSAGE_MALFORMED', 1003, [Buffer.from('RIFF....WAVE')]));
    it('two opens', refuses('MESSAGE_MALFORMED', 1003, [OPEN, OPEN]));
    it('text in the middle of the audio', refuses('MESSAGE_MALFORMED', 1003, [{ ...OPEN, media_type: 'audio/pcm' }, Buffer.alloc(5000), 'la la la']));
    it('a binary control line without an end', refuses('MESSAGE_TOO_LARGE', 1009, [Buffer.alloc(70_000, '{')]));

    for (const [field, value] of [
      ['sample_rate', 0],
      ['sample_rate', '16000'],
      ['sample_rate', 1e9],
      ['channels', 30],
      ['channels', 0],
      ['media_type', 'image/png'],
      ['media_type', 17],
      ['language_hint', 'english'],
      ['language_hint', 'xx'],
      ['chunk_seconds', -1],
      ['endpointing_ms', 1e6],
      ['diarize', 'true'],
    ] as const) {
      it(`open with ${field} ${JSON.stringify(value)}`, async () => {
        const error = await expectError('VALIDATION_ERROR', 1008, [{ ...OPEN, [field]: value }]);
        assert.deepEqual(error?.details?.map((detail) => detail.field), [field]);
      });
    }

    it('a frame over the limit', async () => {
      const client = await StreamClient.connect(server);
      client.send(OPEN);
      client.send(Buffer.alloc(9 * 1024 * 1024));
      assert.equal(await client.closeCode(), 1009);
    });

    it('frames that are no WebSocket frames', async () => {
      const headers = { Host: 'localhost', Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
      const head = requestHead(`GET ${SOCKET_PATH}`, { ...headers, 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' });
      const answer = await exchange(server, Buffer.concat([Buffer.from(head), Buffer.alloc(64, 0xff)]));
      assert.match(answer, /^HTTP\/1\.1 101 /);
    });
  });

  describe('on the way to the WebSocket', () => {
    async function refusal(route: string, headers: Record<string, string> = {}): Promise<RefusedUpgrade> {
      const refused = await StreamClient.connect(server, route, headers).then(
        () => assert.fail('the upgrade was accepted'),
        (error: unknown) => error,
      );
      assert.ok(refused instanceof RefusedUpgrade, String(refused));
      return refused;
    }

    for (const [name, route, headers, status, code] of [
      ['a wrong key', 'stream/transcribe?token=sgk_wrong', {}, 401, 'AUTH_TOKEN_INVALID'],
      ['a wrong key in the header', 'stream/transcribe', { authorization: 'Bearer sgk_wrong' }, 401, 'AUTH_TOKEN_INVALID'],
      ['no key from a foreign page', 'stream/transcribe', { origin: 'https://elsewhere.example' }, 401, 'AUTH_TOKEN_MISSING'],
      ['an unknown path', 'stream/sing', {}, 404, 'NOT_FOUND'],
      ['a session that is gone', `webrtc/sessions/${LONG_GONE}/control`, {}, 404, 'NOT_FOUND'],
    ] as const) {
      it(name, async () => {
        const refused = await refusal(route, headers);
        assert.equal(refused.status, status);
        assert.equal(refused.body.error.code, code);
      });
    }

    it('no key under a foreign name', async () => {
      const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
      const answer = await exchange(server, requestHead(`GET ${SOCKET_PATH}`, { ...headers, Host: 'rebound.example' }));
      assert.match(answer, /^HTTP\/1\.1 401 [^]*"AUTH_TOKEN_MISSING"/);
    });

    for (const [name, line, headers, status] of [
      ['an upgrade without a key for its answer', `GET ${SOCKET_PATH}`, { Upgrade: 'websocket' }, 400],
      ['an upgrade to something else', `GET ${SOCKET_PATH}`, { Upgrade: 'smtp' }, 400],
      ['an upgrade of an impossible version', `GET ${SOCKET_PATH}`, { Upgrade: 'websocket', 'Sec-WebSocket-Version': '1' }, 400],
      ['an upgrade by POST', `POST ${SOCKET_PATH}`, { Upgrade: 'websocket' }, 405],
      ['an upgrade to no address at all', 'GET //', { Upgrade: 'websocket' }, 404],
    ] as const) {
      it(name, async () => {
        const answer = await exchange(server, requestHead(line, { Host: 'localhost', Connection: 'Upgrade', ...headers }));
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      });
    }

    it('bytes that are not HTTP', async () => {
      assert.match(await exchange(server, Buffer.alloc(300, 0x80)), /^HTTP\/1\.1 400 /);
    });
  });

  describe('by HTTP', () => {
    for (const [name, method, route, headers, status, code] of [
      ['a wrong key', 'POST', 'webrtc/sessions', { authorization: 'Bearer sgk_wrong' }, 401, 'AUTH_TOKEN_INVALID'],
      ['a key of another kind', 'POST', 'webrtc/sessions', { authorization: 'Basic YTpi' }, 401, 'AUTH_TOKEN_INVALID'],
      ['no key from a foreign page', 'POST', 'webrtc/sessions', { origin: 'https://elsewhere.example' }, 401, 'AUTH_TOKEN_MISSING'],
      ['an unknown route', 'GET', 'sing', {}, 404, 'NOT_FOUND'],
      ['a wrong method', 'GET', 'transcribe', {}, 404, 'NOT_FOUND'],
      ['a wrong method on a session', 'PUT', `webrtc/sessions/${LONG_GONE}/offer`, {}, 404, 'NOT_FOUND'],
    ] as const) {
      it(name, async () => {
        assertRefused(await call(server, method, route, { headers }), status, code);
      });
    }

    it('no key under a foreign name', async () => {
      const headers = { Host: 'rebound.example', Connection: 'close', 'Content-Length': '0' };
      const answer = await exchange(server, requestHead(`POST ${API}/webrtc/sessions`, headers));
      assert.match(answer, /^HTTP\/1\.1 401 [^]*"AUTH_TOKEN_MISSING"/);
    });

    it('a body that is not a form', async () => {
      assertRefused(await call(server, 'POST', 'transcribe', { json: { file: 'speech.wav' } }), 422, 'VALIDATION_ERROR');
    });

    it('a form without a file, and one that is cut off', async () => {
      const form = new FormData();
      form.set('language_hint', 'en');
      assertRefused(await call(server, 'POST', 'transcribe', { body: form }), 422, 'VALIDATION_ERROR');
      const headers = { Host: 'localhost', Connection: 'close', 'Content-Type': 'multipart/form-data; boundary=x', 'Content-Length': '60' };
      const body = '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n'.slice(0, 60);
      const answer = await exchange(server, requestHead(`POST ${API}/transcribe`, headers) + body);
      assert.match(answer, /^HTTP\/1\.1 400 [^]*"MESSAGE_MALFORMED"/);
    });

    for (const [field, value] of [
      ['language_hint', 'english'],
      ['language_hint', 'xx'],
      ['backend_preference', 'the_best'],
      ['temperature', 'hot'],
      ['temperature', '2'],
      ['force_async', 'perhaps'],
    ] as const) {
      it(`a form whose ${field} is ${value}`, async () => {
        const answer = await upload(server, Buffer.from('RIFF'), { fields: { [field]: value } });
        assertRefused(answer, 422, 'VALIDATION_ERROR');
        assert.deepEqual(answer.error?.details?.map((detail) => detail.field), [field]);
      });
    }

    it('JSON that is none, or not what is asked for', async () => {
      const headers = { 'content-type': 'application/json' };
      for (const [body, status, code] of [['{"sdp":', 400, 'MESSAGE_MALFORMED'], ['[]', 422, 'VALIDATION_ERROR'], ['"offer"', 422, 'VALIDATION_ERROR'], ['{"sdp":{"type":"answer","sdp":"v=0"}}', 422, 'VALIDATION_ERROR']] as const) {
        const response = await fetch(`${server.url}${API}/webrtc/sessions`, { method: 'POST', headers, body });
        const answer = (await response.json()) as { readonly error: { readonly code: string } };
        assert.deepEqual([response.status, answer.error.code], [status, code], body);
      }
    });
  });

  describe('for WebRTC', () => {
    const create = (sdp: string): Promise<Answer<CreatedSession>> => call(server, 'POST', 'webrtc/sessions', { json: { sdp: { type: 'offer', sdp } } });

    it('garbage for a description', async () => {
      for (const sdp of ['hello', '\0\0\0', 'v=0\r\n', 'm='.repeat(1000), 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n']) {
        const answer = await create(sdp);
        assert.match(answer.error?.code ?? '', /^SDP_(INVALID|NO_AUDIO)$/);
      }
      assertRefused(await create('hello'), 400, 'SDP_INVALID');
      assertRefused(await create('v=0\r\n'.repeat(20_000)), 413, 'MESSAGE_TOO_LARGE');
    });

    it('an offer without audio', async () => {
      const client = new WebRtcClient();
      const offer = (await client.offer()).replaceAll('a=sendonly', 'a=inactive');
      await client.vanish();
      assertRefused(await create(offer), 422, 'SDP_NO_AUDIO');
    });

    it('candidates, an offer, an end, captions: all for a session that is gone', async () => {
      for (const id of [LONG_GONE, 'x', '%00']) {
        assertRefused(await call(server, 'POST', `webrtc/sessions/${id}/ice`, { json: CANDIDATE }), 404, 'NOT_FOUND');
        assertRefused(await call(server, 'POST', `webrtc/sessions/${id}/offer`, { json: { type: 'offer', sdp: 'v=0' } }), 404, 'NOT_FOUND');
        assertRefused(await call(server, 'DELETE', `webrtc/sessions/${id}`), 404, 'NOT_FOUND');
      }
    });

    it('candidates before the offer, bad ones, and ones after the end', async () => {
      const { data } = await call<CreatedSession>(server, 'POST', 'webrtc/sessions', { json: {} });
      const session = `webrtc/sessions/${data?.session_id ?? ''}`;
      assert.equal(data?.answer, null);
      assertRefused(await call(server, 'POST', `${session}/ice`, { json: CANDIDATE }), 409, 'SESSION_CONFLICT');
      const client = new WebRtcClient();
      const offered = await call(server, 'POST', `${session}/offer`, { json: { type: 'offer', sdp: await client.offer() } });
      assert.equal(offered.status, 200);
      assertRefused(await call(server, 'POST', `${session}/ice`, { json: { candidate: 'candidate:nonsense', sdpMid: '0' } }), 400, 'ICE_CANDIDATE_INVALID');
      assertRefused(await call(server, 'POST', `${session}/ice`, { json: { candidate: 17 } }), 422, 'VALIDATION_ERROR');
      assert.equal((await call(server, 'POST', `${session}/ice`, { json: CANDIDATE })).status, 204);
      assert.equal((await call(server, 'DELETE', session)).status, 204);
      await client.vanish();
      assertRefused(await call(server, 'POST', `${session}/ice`, { json: CANDIDATE }), 404, 'NOT_FOUND');
    });

    it('audio, an open, an impossible event number on the control socket', async () => {
      const { data } = await call<CreatedSession>(server, 'POST', 'webrtc/sessions', { json: {} });
      const id = data?.session_id ?? '';
      for (const [query, message, code, closeCode] of [
        ['', Buffer.from('RIFF'), 'MESSAGE_MALFORMED', 1003],
        ['', '{"type":"open"}', 'MESSAGE_MALFORMED', 1003],
        ['?after_seq=999', undefined, 'VALIDATION_ERROR', 1008],
      ] as const) {
        const control = await joinControl(server, id, query);
        if (message !== undefined) control.send(message);
        assert.equal(await control.closeCode(), closeCode);
        assert.equal(control.error?.code, code);
      }
      await assert.rejects(joinControl(server, id, '?after_seq=-1'), RefusedUpgrade);
      const control = await joinControl(server, id);
      control.send({ type: 'close' });
      assert.equal(await control.closeCode(), 1000, 'the session itself was left alone');
    });
  });

  it('leave the server as it was', async () => {
    const { transcript } = await transcribed(server, await readFile(await synthesize(SENTENCES.train)));
    assert.match(transcript, /train will arrive/);
    assert.deepEqual(server.errorLog, []);
  });
});
