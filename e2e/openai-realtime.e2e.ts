import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { OpenAI } from 'openai';
import { WebSocket } from 'ws';
import { proving } from '../compatibility/proving.ts';
import { launchBrowser } from './clients/browser.ts';
import { RealtimeClient, type RealtimeEvent } from './clients/openai-realtime.ts';
import { transcribed } from './clients/rest.ts';
import { opusPackets, WebRtcClient } from './clients/webrtc.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { convert, rawSamples, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wavFile } from './wav.ts';
import { wordErrors } from './wer.ts';

const SENTENCES = 3;
/** What the native API ends utterances by. */
const ENDPOINT_MS = 700;
/** The recording starts with the microphone, the connection stands a moment later. */
const LEAD_MS = 1500;
const TAIL_MS = 3000;

/** What a page does that speaks to OpenAI by WebRTC: with a client secret, a microphone and a data channel, and nothing of ours. */
const CALLING_PAGE = `
const events = [];
let connection;
async function call(secret) {
  connection = new RTCPeerConnection();
  const { promise: isOpen, resolve: opened } = Promise.withResolvers();
  const channel = connection.createDataChannel('oai-events');
  channel.onopen = opened;
  channel.onmessage = ({ data }) => events.push(JSON.parse(data));
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  connection.addTrack(microphone.getAudioTracks()[0], microphone);
  await connection.setLocalDescription();
  const headers = { authorization: 'Bearer ' + secret, 'content-type': 'application/sdp' };
  const answer = await fetch('/v1/realtime/calls', { method: 'POST', headers, body: connection.localDescription.sdp });
  await connection.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  await isOpen;
  return answer.headers.get('location').split('/').at(-1);
}
const transcripts = () => events.filter(({ type }) => type === 'conversation.item.input_audio_transcription.completed').map(({ transcript }) => transcript);
`;

describe('OpenAI realtime, by the openai package', () => {
  let server: TestServer;
  let samples: Uint8Array;
  let expected: readonly string[];

  before(async () => {
    server = await TestServer.start({ args: ['--tls'], untilReady: false });
    const [, certificatePath = ''] = /Certificate\s+(\S+)/.exec(server.process.stdout) ?? [];
    setDefaultCACertificates([...getCACertificates('default'), await readFile(certificatePath, 'utf8')]);
    await server.ready();
    const story = await tellStory();
    samples = await rawSamples(story, 24_000);
    expected = (await transcribed(server, wavFile(samples, { sampleRateHz: 24_000 }))).segments.map(({ text }) => text);
    assert.equal(expected.length, SENTENCES);
  });
  after(() => server.stop());

  it(
    'turns that the server ends say what the native API says, in order',
    proving('openai', ['realtime: WebSocket, `session.created`, `session.update`', 'realtime: `server_vad`', 'realtime: speech_started, speech_stopped, committed, items', 'realtime: deltas that add up to the transcript'], async () => {
      const client = new RealtimeClient(server);
      await client.configure(ENDPOINT_MS);
      client.append(samples);
      await client.completed(SENTENCES);
      assert.deepEqual(client.transcripts, expected);
      assert.deepEqual(client.deltas, expected);
      const types = client.events.map(({ type }) => type);
      assert.equal(types[0], 'session.created');
      const items = client.of('input_audio_buffer.committed');
      assert.deepEqual(items.map((event) => event['previous_item_id']), [null, ...items.slice(0, -1).map((event) => event['item_id'])]);
      assert.deepEqual(client.of('input_audio_buffer.speech_started').map((event) => event['item_id']), items.map((event) => event['item_id']));
      client.socket.close();
    }),
  );

  it(
    'a commit gives one turn with all of it, and a second one says that there is nothing',
    proving('openai', ['realtime: manual commit, clear'], async () => {
      const client = new RealtimeClient(server);
      await client.configure(null);
      client.append(samples);
      client.commit();
      client.commit();
      await client.completed(1);
      client.append(samples.subarray(0, Math.floor(samples.length / 6) * 2));
      client.commit();
      await client.completed(2);
      assert.equal(client.transcripts[0], expected.join(' '));
      assert.equal(client.deltas[0], expected.join(' '));
      assert.equal(client.transcripts[1], expected[0]);
      const errors = client.of('error').map((event) => (event['error'] as { code: string }).code);
      assert.deepEqual([client.of('input_audio_buffer.committed').length, errors], [2, ['input_audio_buffer_commit_empty']]);
      assert.deepEqual([client.of('input_audio_buffer.speech_started').length, client.socket.socket.readyState], [0, WebSocket.OPEN]);
      client.socket.close();
    }),
  );

  it(
    'a browser shows its key as a subprotocol; a wrong one is refused in the vendor’s shape',
    proving('openai', ['key by Bearer, by subprotocol', 'errors: message, type, param, code'], async () => {
      const url = `${server.url.replace('https', 'wss')}/v1/realtime?intent=transcription`;
      const browser = new WebSocket(url, ['realtime', `openai-insecure-api-key.${server.apiKey}`]);
      const [first] = (await once(browser, 'message')) as [Buffer];
      assert.deepEqual([browser.protocol, (JSON.parse(first.toString()) as { type: string }).type], ['realtime', 'session.created']);
      browser.close();
  
      const stranger = new WebSocket(url, { headers: { authorization: 'Bearer wrong' } });
      const [, response] = (await once(stranger, 'unexpected-response')) as [unknown, AsyncIterable<Buffer> & { statusCode?: number }];
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const { error } = JSON.parse(Buffer.concat(chunks).toString()) as { error: { code: string } };
      assert.deepEqual([response.statusCode, error.code], [401, 'invalid_api_key']);
    }),
  );

  it(
    'a client secret opens sessions with what it was made with, and makes no others',
    proving('openai', ['realtime: client secrets'], async () => {
      const client = new OpenAI({ apiKey: server.apiKey, baseURL: `${server.url}/v1` });
      const { value, session } = await client.realtime.clientSecrets.create({
        expires_after: { anchor: 'created_at', seconds: 60 },
        session: { type: 'transcription', audio: { input: { format: { type: 'audio/pcmu' }, transcription: { language: 'en' } } } },
      });
      const holder = new RealtimeClient(server, value);
      await holder.seen('session.created');
      const [created] = holder.of('session.created');
      assert.deepEqual((created?.['session'] as { audio: object }).audio, (session as { audio: object }).audio);
      holder.socket.close();
      await assert.rejects(new OpenAI({ apiKey: value, baseURL: `${server.url}/v1` }).realtime.clientSecrets.create({}), /client secret is made from a key/);
      const browser = new WebSocket(`${server.url.replace('https', 'wss')}/v1/realtime`, ['realtime', `openai-insecure-api-key.${value}`]);
      await once(browser, 'open');
      browser.close();
    }),
  );

  it(
    'a call by WebRTC tells its turns on its data channel and to a socket beside it, until it is hung up',
    proving('openai', ['realtime: WebRTC calls, data channel, sockets beside, hangup'], async () => {
      const peer = new WebRtcClient();
      const channel = peer.openChannel('oai-events');
      const form = new FormData();
      form.set('sdp', await peer.offer());
      form.set('session', JSON.stringify({ type: 'transcription', audio: { input: { transcription: { model: 'gpt-4o-transcribe', language: 'en' } } } }));
      const created = await fetch(`${server.url}/v1/realtime/calls`, { method: 'POST', headers: { authorization: `Bearer ${server.apiKey}` }, body: form });
      assert.deepEqual([created.status, created.headers.get('content-type')], [201, 'application/sdp']);
      const callId = created.headers.get('location')?.split('/').at(-1) ?? '';
      assert.match(callId, /^rtc_/);
      await peer.accept(await created.text());
      const told = (type: string): RealtimeEvent[] => channel.messages.map((text) => JSON.parse(text) as RealtimeEvent).filter((event) => event.type === type);
      await eventually('the channel greets', () => told('session.created').length === 1);
  
      const beside = new RealtimeClient(server, server.apiKey, callId);
      await beside.configure(ENDPOINT_MS);
      await eventually('the channel hears of it', () => told('session.updated').length === 1);
      await peer.send(opusPackets(await readFile(await convert(await tellStory(), 'ogg'))));
      await peer.rest(200);
      await beside.completed(SENTENCES);
      assert.deepEqual(told('conversation.item.input_audio_transcription.completed').map((event) => event['transcript']), beside.transcripts);
      assert.deepEqual(beside.deltas, beside.transcripts);
      const { rate } = wordErrors(STORY, beside.transcripts.join(' '));
      assert.ok(rate <= MAX_WORD_ERROR_RATE, `${String(rate)}: ${beside.transcripts.join(' | ')}`);
  
      channel.send(JSON.stringify({ type: 'input_audio_buffer.append', event_id: 'e1', audio: '' }));
      await eventually('the channel is refused', () => told('error').some((event) => (event['error'] as { event_id: string }).event_id === 'e1'));
      const client = new OpenAI({ apiKey: server.apiKey, baseURL: `${server.url}/v1` });
      const gone = once(beside.socket.socket, 'close');
      await client.realtime.calls.hangup(callId);
      assert.equal((await gone)[0], 1000);
      await assert.rejects(client.realtime.calls.hangup(callId), /404/);
      await peer.vanish();
    }),
  );

  it(
    'a browser calls with a client secret and its microphone, and reads its turns on the data channel',
    proving('openai', ['realtime: WebRTC calls, data channel, sockets beside, hangup'], async () => {
      const client = new OpenAI({ apiKey: server.apiKey, baseURL: `${server.url}/v1` });
      const { value } = await client.realtime.clientSecrets.create({
        session: { type: 'transcription', audio: { input: { transcription: { language: 'en' }, turn_detection: { type: 'server_vad', silence_duration_ms: ENDPOINT_MS } } } },
      });
      const browser = await launchBrowser(await withSilence(await tellStory(), LEAD_MS, TAIL_MS));
      try {
        const page = await (await browser.newContext({ permissions: ['microphone'], ignoreHTTPSErrors: true })).newPage();
        await page.goto(`${server.url}/healthz`);
        await page.addScriptTag({ content: CALLING_PAGE });
        const callId = await page.evaluate<string>(`call('${value}')`);
        let turns: string[] = [];
        await eventually('every sentence is told on the data channel', async () => (turns = await page.evaluate<string[]>('transcripts()')).length >= SENTENCES, { timeoutMs: 60_000 });
        const { rate } = wordErrors(STORY, turns.join(' '));
        assert.ok(rate <= MAX_WORD_ERROR_RATE, `${String(rate)}: ${turns.join(' | ')}`);
        await client.realtime.calls.hangup(callId);
      } finally {
        await browser.close();
      }
    }),
  );

  it(
    'a client secret begins a call with an offer alone',
    proving('openai', ['realtime: client secrets'], async () => {
      const client = new OpenAI({ apiKey: server.apiKey, baseURL: `${server.url}/v1` });
      const { value } = await client.realtime.clientSecrets.create({ session: { type: 'transcription', audio: { input: { turn_detection: null } } } });
      const peer = new WebRtcClient();
      const channel = peer.openChannel('oai-events');
      const headers = { authorization: `Bearer ${value}`, 'content-type': 'application/sdp' };
      const created = await fetch(`${server.url}/v1/realtime/calls`, { method: 'POST', headers, body: await peer.offer() });
      await peer.accept(await created.text());
      await eventually('the channel greets', () => channel.messages.length > 0);
      const { session } = JSON.parse(channel.messages[0] ?? '') as { session: { audio: { input: { turn_detection: unknown } } } };
      assert.equal(session.audio.input.turn_detection, null);
      const bad = await fetch(`${server.url}/v1/realtime/calls`, { method: 'POST', headers, body: 'v=0' });
      assert.deepEqual([bad.status, ((await bad.json()) as { error: { type: string } }).error.type], [400, 'invalid_request_error']);
      await client.realtime.calls.hangup(created.headers.get('location')?.split('/').at(-1) ?? '');
      await peer.vanish();
    }),
  );

  it('leaves nothing behind', () => server.idle());
});
