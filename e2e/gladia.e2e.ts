import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GladiaClient } from '@gladiaio/sdk';
import { WebSocket } from 'ws';
import { proving } from '../compatibility/proving.ts';
import { GLADIA_FORMAT, type GladiaInit, type Heard, speakByGladia, textOf } from './clients/gladia.ts';
import { disturbances } from './cuts.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { TestServer } from './server.ts';
import { asChannels, synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES, STORY, tellStory } from './spoken.ts';
import { samplesOf } from './wav.ts';
import { wordErrors } from './wer.ts';

const PATIENCE_MS = 180_000;
const SEED = Number(process.env['GLADIA_SEED'] ?? 4711);
const SPEED = 2;

const ofType = (heard: Heard, type: string): Record<string, unknown>[] => heard.messages.filter((message) => message['type'] === type);

it(
  'a server that stops says so by a close code after which clients come back',
  proving('gladia', ['live: restart of the server'], async () => {
    const server = await TestServer.start();
    const created = await fetch(`${server.url}/v2/live`, { method: 'POST', headers: { 'x-gladia-key': server.apiKey, 'content-type': 'application/json' }, body: '{}' });
    const { url } = (await created.json()) as { url: string };
    const socket = new WebSocket(url);
    await once(socket, 'open');
    const closed = once(socket, 'close') as Promise<[number]>;
    await server.stop();
    assert.equal((await closed)[0], 1012);
  }),
);

describe('Gladia’s own package', { timeout: 2 * PATIENCE_MS }, () => {
  let server: TestServer;
  let story: Uint8Array;

  before(async () => {
    server = await TestServer.start({ env: { EARSHOT_KEEP_JOB_AUDIO: 'true' } });
    story = samplesOf(await readFile(await tellStory()));
  });
  after(() => server.stop());

  it(
    'hears a story live: partials, finals, events in order, results and audio afterwards',
    proving('gladia', ['live: acknowledgements with byte ranges', 'live: lifecycle, speech and transcript messages under their flags', 'live: `stop_recording`, close 1000', 'live: vocabulary, spelling, language, metadata', 'live: read, list, change, delete sessions', 'live: recorded audio'], async () => {
      const init: GladiaInit = {
        ...GLADIA_FORMAT,
        custom_metadata: { room: 'garden' },
        realtime_processing: { sentiment_analysis: true },
        messages_config: { receive_partial_transcripts: true, receive_lifecycle_events: true, receive_acknowledgments: true },
      };
      const heard = await speakByGladia(server.url, server.apiKey, init, story, { speed: 4 });
      assert.equal(heard.code, 1000);
      assert.ok(wordErrors(STORY, textOf(heard)).rate <= MAX_WORD_ERROR_RATE, textOf(heard));
      assert.deepEqual([...heard.finals.keys()], ['00_00000000', '00_00000001', '00_00000002']);
      for (const text of heard.finals.values()) assert.match(text, /^ \S/);
      assert.ok(ofType(heard, 'transcript').length > heard.finals.size, 'partials came');
      const types = heard.messages.map((message) => message['type']).filter((type) => type !== 'audio_chunk');
      assert.deepEqual(types.slice(-4), ['end_recording', 'post_transcript', 'post_final_transcript', 'end_session']);
      assert.equal(ofType(heard, 'start_recording').length, 1);
      assert.equal(ofType(heard, 'speech_start').length, 3);
      assert.deepEqual(ofType(heard, 'sentiment_analysis').map((message) => message['data']), [null, null, null]);
      const acks = ofType(heard, 'audio_chunk').map((message) => (message['data'] as { byte_range: number[] }).byte_range);
      assert.equal(acks.at(-1)?.[1], story.length);
  
      const live = new GladiaClient({ apiKey: server.apiKey, apiUrl: server.url }).liveV2();
      const job = await live.get(heard.id);
      assert.deepEqual([job.status, job.custom_metadata], ['done', { room: 'garden' }]);
      assert.equal(job.result?.transcription?.full_transcript, textOf(heard).replaceAll(/\s+/g, ' '));
      const file = Buffer.from(await live.getFile(heard.id));
      assert.deepEqual([file.subarray(0, 4).toString(), file.length], ['RIFF', story.length + 44]);
      assert.deepEqual((await live.list({ custom_metadata: { room: 'garden' } })).items.map(({ id }) => id), [heard.id]);
      assert.equal(await live.delete(heard.id), true);
      await assert.rejects(live.get(heard.id));
    }),
  );

  it(
    'hears two channels apart',
    proving('gladia', ['live: 1 to 8 channels'], async () => {
      const file = await asChannels(await synthesize(SENTENCES.river), await synthesize(SENTENCES.window, 'rms'));
      const audio = samplesOf(await readFile(file));
      const heard = await speakByGladia(server.url, server.apiKey, { ...GLADIA_FORMAT, channels: 2 }, audio, { speed: 4 });
      for (const [prefix, sentence] of [['00_', SENTENCES.river], ['01_', SENTENCES.window]] as const) {
        const text = [...heard.finals].filter(([id]) => id.startsWith(prefix)).map(([, words]) => words).join('');
        assert.ok(wordErrors(sentence, text.trim()).rate <= MAX_WORD_ERROR_RATE, text);
      }
    }),
  );

  it(
    'fetches the end after cuts that follow the stop, twice in a second',
    proving('gladia', ['live: resume on the same URL'], async () => {
      const proxy = await CuttingProxy.start(server.url);
      try {
        const afterStop = async (): Promise<void> => {
          for (const pauseMs of [40, 300]) {
            await sleep(pauseMs);
            proxy.cut();
          }
        };
        const heard = await speakByGladia(proxy.url, server.apiKey, GLADIA_FORMAT, story, { speed: 20, afterStop });
        assert.equal(heard.code, 1000);
        assert.ok(heard.connections > 1);
        assert.ok(wordErrors(STORY, textOf(heard)).rate <= MAX_WORD_ERROR_RATE, textOf(heard));
        assert.ok(ofType(heard, 'post_final_transcript').length > 0);
      } finally {
        await proxy.close();
      }
    }),
  );

  it(
    'loses and doubles nothing, wherever its connection is cut',
    proving('gladia', ['live: resume on the same URL'], async () => {
      const whole = await speakByGladia(server.url, server.apiKey, GLADIA_FORMAT, story, { speed: SPEED });
      const proxy = await CuttingProxy.start(server.url);
      let cuts = 0;
      try {
        const heard = await speakByGladia(proxy.url, server.apiKey, GLADIA_FORMAT, story, { speed: SPEED, ...disturbances(proxy, SEED, () => (cuts += 1)) });
        assert.equal(heard.code, 1000);
        assert.equal(textOf(heard), textOf(whole));
        console.log(`${cuts} cuts, ${heard.connections} connections, ${heard.repeatedFinals} finals that came twice (seed ${SEED})`);
        const job = await new GladiaClient({ apiKey: server.apiKey, apiUrl: server.url }).liveV2().get(heard.id);
        assert.ok(Math.abs((job.file?.audio_duration ?? 0) - story.length / 32_000) < 0.002, 'digital silence is heard once too');
      } finally {
        await proxy.close();
      }
    }),
  );
});

