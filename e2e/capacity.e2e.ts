import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { call, transcribed, upload } from './clients/rest.ts';
import { stream, StreamClient } from './clients/stream.ts';
import { type CreatedSession, WebRtcClient } from './clients/webrtc.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { inSequence } from './speech.ts';
import { tellStory } from './spoken.ts';

/** One live place and one for uploads. */
describe('a server whose places are all taken', () => {
  let server: TestServer;
  let audio: Buffer;

  before(async () => {
    audio = await readFile(await tellStory());
    server = await TestServer.start({ env: { EARSHOT_MAX_LIVE_SESSIONS: '1', EARSHOT_MAX_BATCH_SESSIONS: '1' } });
  });
  after(() => server.stop());

  it('refuses live sessions before any audio flows, says when to come again, and takes the next when there is room', async () => {
    const first = await StreamClient.connect(server);
    first.send({ type: 'open' });
    await first.frame('ready', ({ type }) => type === 'ready');
    assert.equal((await fetch(`${server.url}/readyz`)).status, 503);

    const second = await StreamClient.connect(server);
    second.send({ type: 'open' });
    assert.equal(await second.closeCode(), 1013);
    assert.deepEqual(second.frames.map(({ type }) => type), ['error']);
    assert.equal(second.error?.code, 'CAPACITY_EXCEEDED');
    assert.ok((second.error.retry_after ?? 0) > 0);

    const client = new WebRtcClient();
    const refused = await call<CreatedSession>(server, 'POST', 'webrtc/sessions', { json: { sdp: { type: 'offer', sdp: await client.offer() } } });
    await client.vanish();
    assert.equal(refused.status, 503);
    assert.equal(refused.error?.code, 'CAPACITY_EXCEEDED');
    assert.equal(refused.headers.get('retry-after'), String(refused.error.retry_after));

    first.send(audio);
    first.send({ type: 'close' });
    assert.equal(await first.closeCode(), 1000);
    assert.notEqual(first.text, '');
    assert.equal((await stream(server, audio)).text, first.text);
    await server.idle();
  });

  it('refuses uploads likewise', async () => {
    const story = await tellStory();
    const long = await readFile(await inSequence(story, story, story));
    const first = transcribed(server, long);
    await eventually('the first upload is being recognized', async () => (await server.metric('earshot_recognizer_sessions')) > 0);
    const { status, error, headers } = await upload(server, audio);
    assert.equal(status, 503);
    assert.equal(error?.code, 'CAPACITY_EXCEEDED');
    assert.equal(headers.get('retry-after'), String(error.retry_after));
    assert.notEqual((await first).transcript, '');
    assert.notEqual((await transcribed(server, audio)).transcript, '');
    await server.idle();
  });
});
