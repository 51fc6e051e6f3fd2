import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { call, transcribed, upload } from './clients/rest.ts';
import { stream, StreamClient } from './clients/stream.ts';
import { type CreatedSession, joinControl, opusPackets, WebRtcClient } from './clients/webrtc.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { convert, inSequence, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

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

/** The limit of a tenant's policy, with a real engine behind it and real peers in front. */
describe('a tenant that has all the sessions that it may have at a time', () => {
  let server: TestServer;
  const peers: WebRtcClient[] = [];

  before(async () => {
    server = await TestServer.start();
    const { status } = await call(server, 'PATCH', 'tenant-policy', { json: { max_concurrent_sessions: 2 } });
    assert.equal(status, 200);
  });
  after(async () => {
    await Promise.all(peers.map((peer) => peer.vanish()));
    await server.stop();
  });

  const peer = (): WebRtcClient => {
    const client = new WebRtcClient();
    peers.push(client);
    return client;
  };
  const offered = async (headers: Record<string, string> = {}) => call<CreatedSession>(server, 'POST', 'webrtc/sessions', { json: { sdp: { type: 'offer', sdp: await peer().offer() } }, headers });

  it('is refused another peer, stream or upload; those who are in go on; and who leaves makes room', async () => {
    const [speaker, listener] = [peer(), peer()];
    const spoken = await speaker.connect(server);
    const silent = await listener.connect(server);
    const control = await joinControl(server, spoken.session_id);
    const speech = opusPackets(await readFile(await convert(await withSilence(await tellStory(), 300, 1200, 'room'), 'ogg')));
    const speaking = speaker.send(speech);

    const refused = await offered();
    assert.deepEqual([refused.status, refused.error?.code, refused.headers.get('retry-after')], [429, 'RATE_LIMITED', String(refused.error?.retry_after)]);
    const stream = await StreamClient.connect(server);
    stream.send({ type: 'open' });
    assert.equal(await stream.closeCode(), 1013);
    assert.equal(stream.error?.code, 'RATE_LIMITED');
    assert.equal((await upload(server, await readFile(await tellStory()))).error?.code, 'RATE_LIMITED');

    await speaking;
    control.send({ type: 'close' });
    assert.equal(await control.closeCode(), 1000);
    const { rate } = wordErrors(STORY, control.text);
    assert.ok(rate <= MAX_WORD_ERROR_RATE, `${String(rate)}: ${control.text}`);

    const next = await offered();
    assert.equal(next.status, 201);
    assert.equal((await offered()).status, 429);
    for (const id of [silent.session_id, next.data?.session_id ?? '']) assert.equal((await call(server, 'DELETE', `webrtc/sessions/${id}`)).status, 204);
    await server.idle();
  });

  it('a token has a limit of its own within that', async () => {
    const { data } = await call<{ token: string }>(server, 'POST', 'tokens', { json: { max_sessions: 1 }, headers: { authorization: `Bearer ${server.apiKey}` } });
    const headers = { authorization: `Bearer ${data?.token ?? ''}` };
    const first = await offered(headers);
    assert.equal(first.status, 201);
    const second = await offered(headers);
    assert.deepEqual([second.status, second.error?.code], [429, 'RATE_LIMITED']);
    assert.match(second.error?.message ?? '', /token/);
    await call(server, 'DELETE', `webrtc/sessions/${first.data?.session_id ?? ''}`, { headers });
    await server.idle();
    assert.equal((await offered(headers)).status, 201);
  });
});
