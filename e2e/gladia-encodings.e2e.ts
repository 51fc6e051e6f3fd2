import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { after, before, it } from 'node:test';
import { WebSocket } from 'ws';
import { TestServer } from './server.ts';
import { synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

/** The vendor's encodings, as ffmpeg calls them, with a byte of silence and the WAV format tag. */
const ENCODINGS = [
  { encoding: 'wav/pcm', bits: 8, raw: 'u8', silence: 0x80, tag: 1 },
  { encoding: 'wav/pcm', bits: 16, raw: 's16le', silence: 0, tag: 1 },
  { encoding: 'wav/pcm', bits: 24, raw: 's24le', silence: 0, tag: 1 },
  { encoding: 'wav/pcm', bits: 32, raw: 's32le', silence: 0, tag: 1 },
  { encoding: 'wav/alaw', bits: 8, raw: 'alaw', silence: 0xd5, tag: 6 },
  { encoding: 'wav/ulaw', bits: 8, raw: 'mulaw', silence: 0xff, tag: 7 },
] as const;
const RATES_HZ = [8000, 16_000, 32_000, 44_100, 48_000] as const;
const PATIENCE_MS = 600_000;
const PIECE_BYTES = 99_991;

interface Message {
  readonly type: string;
  readonly data?: { readonly is_final?: boolean; readonly byte_range?: readonly number[]; readonly utterance?: { readonly text: string; readonly channel: number } } | null;
}

let server: TestServer;
let speechPath: string;

before(async () => {
  server = await TestServer.start({ env: { EARSHOT_KEEP_JOB_AUDIO: 'true' } });
  speechPath = await synthesize(SENTENCES.river);
});
after(() => server.stop());

async function encoded(raw: string, rateHz: number): Promise<Buffer> {
  const ffmpeg = spawn('ffmpeg', ['-v', 'error', '-i', speechPath, '-f', raw, '-ar', String(rateHz), '-ac', '1', 'pipe:1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  return buffer(ffmpeg.stdout);
}

/** One channel among silent ones. */
function amongSilence(mono: Buffer, sampleBytes: number, channels: number, channel: number, silence: number): Buffer {
  const all = Buffer.alloc(mono.length * channels, silence);
  for (let frame = 0; frame * sampleBytes < mono.length; frame += 1) {
    mono.copy(all, (frame * channels + channel) * sampleBytes, frame * sampleBytes, (frame + 1) * sampleBytes);
  }
  return all;
}

async function live<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${server.url}/v2/live${path}`, { method, headers: { 'x-gladia-key': server.apiKey, ...(body && { 'content-type': 'application/json' }) }, ...(body && { body: JSON.stringify(body) }) });
  return (await response.json()) as T;
}

async function spoken(init: object, audio: Buffer): Promise<{ readonly id: string; readonly messages: readonly Message[] }> {
  const { id, url } = await live<{ id: string; url: string }>('POST', '', { ...init, endpointing: 0.7, maximum_duration_without_endpointing: 30 });
  const socket = new WebSocket(url);
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
  await once(socket, 'open');
  // Pieces that end within samples.
  for (let offset = 0; offset < audio.length; offset += PIECE_BYTES) socket.send(audio.subarray(offset, offset + PIECE_BYTES));
  socket.send('{"type":"stop_recording"}');
  const [code] = (await once(socket, 'close')) as [number];
  assert.equal(code, 1000);
  return { id, messages };
}

for (const [row, { encoding, bits, raw, silence, tag }] of ENCODINGS.entries()) {
  // Two rates each: together all of them, and all numbers of channels.
  it(`${encoding} of ${bits} bit is heard, on any of its channels`, { timeout: PATIENCE_MS }, async () => {
    for (const column of [0, 1]) {
      const rateHz = RATES_HZ[(2 * row + column) % RATES_HZ.length]!;
      const channels = 1 + ((2 * row + column) % 8);
      const channel = channels - 1;
      const name = `${encoding} ${bits} bit, ${rateHz} Hz, channel ${channel} of ${channels}`;
      const mono = await encoded(raw, rateHz);
      const audio = amongSilence(mono, bits / 8, channels, channel, silence);
      const { id, messages } = await spoken({ encoding, bit_depth: bits, sample_rate: rateHz, channels }, audio);
      const finals = messages.flatMap(({ type, data }) => (type === 'transcript' && data?.is_final === true && data.utterance ? [data.utterance] : []));
      assert.deepEqual([...new Set(finals.map((each) => each.channel))], [channel], name);
      const text = finals.map((each) => each.text).join('').trim();
      // Eight bits of a linear scale, and half of the bandwidth, are hard on any engine.
      if (rateHz > 8000 && raw !== 'u8') assert.ok(wordErrors(SENTENCES.river, text).rate <= MAX_WORD_ERROR_RATE, `${name}: ${text}`);
      assert.equal(messages.filter(({ type }) => type === 'audio_chunk').at(-1)?.data?.byte_range?.[1], audio.length, name);

      const job = await live<{ file: { audio_duration: number; number_of_channels: number } }>('GET', `/${id}`);
      assert.equal(job.file.number_of_channels, channels, name);
      assert.ok(Math.abs(job.file.audio_duration - mono.length / (bits / 8) / rateHz) < 0.01, `${name}: ${job.file.audio_duration} s`);
      const file = Buffer.from(await (await fetch(`${server.url}/v2/live/${id}/file`, { headers: { 'x-gladia-key': server.apiKey } })).arrayBuffer());
      assert.deepEqual([file.readUInt16LE(20), file.readUInt16LE(22), file.readUInt32LE(24), file.readUInt16LE(34), file.length], [tag, channels, rateHz, bits, audio.length + 44], name);
      assert.deepEqual(file.subarray(44), audio);
    }
  });
}

it('a WAV file with its header is heard as well, and the header is counted', { timeout: PATIENCE_MS }, async () => {
  const file = await readFile(speechPath);
  const { messages } = await spoken({ sample_rate: 16_000 }, file);
  assert.equal(messages.filter(({ type }) => type === 'audio_chunk').at(-1)?.data?.byte_range?.[1], file.length);
  const text = messages.flatMap(({ data }) => (data?.is_final === true ? [data.utterance?.text ?? ''] : [])).join('');
  assert.ok(wordErrors(SENTENCES.river, text.trim()).rate <= MAX_WORD_ERROR_RATE, text);
});
