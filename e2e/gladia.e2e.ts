import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GladiaClient } from '@gladiaio/sdk';
import { WebSocket } from 'ws';
import { CuttingProxy } from './cutting-proxy.ts';
import { within } from './eventually.ts';
import { TestServer } from './server.ts';
import { asChannels, synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES, STORY, tellStory } from './spoken.ts';
import { samplesOf } from './wav.ts';
import { wordErrors } from './wer.ts';

type Init = Parameters<ReturnType<GladiaClient['liveV2']>['startSession']>[0];

const PATIENCE_MS = 180_000;
const CHUNK_BYTES = 3200;
const CHUNK_MS = 100;
const FORMAT = { encoding: 'wav/pcm', sample_rate: 16_000, bit_depth: 16, channels: 1, endpointing: 0.7, maximum_duration_without_endpointing: 30 } as const;
const SEED = Number(process.env['GLADIA_SEED'] ?? 4711);
const SPEED = 2;

interface Heard {
  readonly id: string;
  readonly messages: readonly Record<string, unknown>[];
  readonly connections: number;
  readonly code: number;
  /** Finals by their ids, in order of their first coming. */
  readonly finals: ReadonlyMap<string, string>;
  readonly repeatedFinals: number;
}

/** Speaks to the server as the vendor's package does. `disturb` is called after each chunk, `afterStop` after the last wish. */
async function speak(url: string, apiKey: string, init: Init, audio: Uint8Array, options: { readonly speed: number; readonly disturb?: () => Promise<void>; readonly afterStop?: () => Promise<void> }): Promise<Heard> {
  const session = new GladiaClient({ apiKey, apiUrl: url }).liveV2().startSession(init);
  const messages: Record<string, unknown>[] = [];
  let connections = 0;
  const ended = Promise.withResolvers<number>();
  session.on('message', (message: unknown) => messages.push(message as Record<string, unknown>));
  session.on('connected', () => (connections += 1));
  session.on('error', ended.reject);
  session.on('ended', ({ code }) => {
    ended.resolve(code);
  });
  const id = await session.getSessionId();
  for (let offset = 0; offset < audio.length; offset += CHUNK_BYTES) {
    session.sendAudio(audio.subarray(offset, offset + CHUNK_BYTES));
    await sleep(CHUNK_MS / options.speed);
    await options.disturb?.();
  }
  session.stopRecording();
  await options.afterStop?.();
  const code = await within('the session ends', ended.promise, PATIENCE_MS);
  const finals = new Map<string, string>();
  let repeatedFinals = 0;
  for (const message of messages) {
    const data = message['data'] as { id: string; is_final: boolean; utterance: { text: string } } | null;
    if (message['type'] !== 'transcript' || data?.is_final !== true) continue;
    if (finals.has(data.id)) repeatedFinals += 1;
    finals.set(data.id, data.utterance.text);
  }
  return { id, messages, connections, code, finals, repeatedFinals };
}

const textOf = (heard: Heard): string => [...heard.finals.values()].join('').trim();
const ofType = (heard: Heard, type: string): Record<string, unknown>[] => heard.messages.filter((message) => message['type'] === type);

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

it('a server that stops says so by a close code after which clients come back', async () => {
  const server = await TestServer.start();
  const created = await fetch(`${server.url}/v2/live`, { method: 'POST', headers: { 'x-gladia-key': server.apiKey, 'content-type': 'application/json' }, body: '{}' });
  const { url } = (await created.json()) as { url: string };
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const closed = once(socket, 'close') as Promise<[number]>;
  await server.stop();
  assert.equal((await closed)[0], 1012);
});

describe('Gladia’s own package', { timeout: 2 * PATIENCE_MS }, () => {
  let server: TestServer;
  let story: Uint8Array;

  before(async () => {
    server = await TestServer.start({ env: { EARSHOT_KEEP_JOB_AUDIO: 'true' } });
    story = samplesOf(await readFile(await tellStory()));
  });
  after(() => server.stop());

  it('hears a story live: partials, finals, events in order, results and audio afterwards', async () => {
    const init: Init = {
      ...FORMAT,
      custom_metadata: { room: 'garden' },
      realtime_processing: { sentiment_analysis: true },
      messages_config: { receive_partial_transcripts: true, receive_lifecycle_events: true, receive_acknowledgments: true },
    };
    const heard = await speak(server.url, server.apiKey, init, story, { speed: 4 });
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
  });

  it('hears two channels apart', async () => {
    const file = await asChannels(await synthesize(SENTENCES.river), await synthesize(SENTENCES.window, 'rms'));
    const audio = samplesOf(await readFile(file));
    const heard = await speak(server.url, server.apiKey, { ...FORMAT, channels: 2 }, audio, { speed: 4 });
    for (const [prefix, sentence] of [['00_', SENTENCES.river], ['01_', SENTENCES.window]] as const) {
      const text = [...heard.finals].filter(([id]) => id.startsWith(prefix)).map(([, words]) => words).join('');
      assert.ok(wordErrors(sentence, text.trim()).rate <= MAX_WORD_ERROR_RATE, text);
    }
  });

  it('fetches the end after cuts that follow the stop, twice in a second', async () => {
    const proxy = await CuttingProxy.start(server.url);
    try {
      const afterStop = async (): Promise<void> => {
        for (const pauseMs of [40, 300]) {
          await sleep(pauseMs);
          proxy.cut();
        }
      };
      const heard = await speak(proxy.url, server.apiKey, FORMAT, story, { speed: 20, afterStop });
      assert.equal(heard.code, 1000);
      assert.ok(heard.connections > 1);
      assert.ok(wordErrors(STORY, textOf(heard)).rate <= MAX_WORD_ERROR_RATE, textOf(heard));
      assert.ok(ofType(heard, 'post_final_transcript').length > 0);
    } finally {
      await proxy.close();
    }
  });

  it('loses and doubles nothing, wherever its connection is cut', async () => {
    const whole = await speak(server.url, server.apiKey, FORMAT, story, { speed: SPEED });
    const proxy = await CuttingProxy.start(server.url);
    const random = randomOf(SEED);
    let cuts = 0;
    try {
      const heard = await speak(proxy.url, server.apiKey, FORMAT, story, {
        speed: SPEED,
        disturb: async () => {
          const chance = random();
          // The acknowledgements of a while are never seen.
          if (chance < 0.1) proxy.deafen();
          if (chance > 0.6) return;
          await sleep(random() * 20);
          proxy.cut();
          cuts += 1;
        },
      });
      assert.equal(heard.code, 1000);
      assert.equal(textOf(heard), textOf(whole));
      console.log(`${cuts} cuts, ${heard.connections} connections, ${heard.repeatedFinals} finals that came twice (seed ${SEED})`);
      const job = await new GladiaClient({ apiKey: server.apiKey, apiUrl: server.url }).liveV2().get(heard.id);
      // Of digital silence nobody can tell whether it came before: it is kept rather than lost.
      const repeatedSeconds = (job.file?.audio_duration ?? 0) - story.length / 32_000;
      assert.ok(repeatedSeconds >= 0 && repeatedSeconds < 2, `${repeatedSeconds} s`);
    } finally {
      await proxy.close();
    }
  });
});

