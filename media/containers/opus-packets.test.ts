import assert from 'node:assert/strict';
import test from 'node:test';
import { OpusEncoder, sine } from '../rtp/testing/opus-encoder.ts';
import { createAudioDecoder } from './index.ts';

const decode = createAudioDecoder();
const never = new AbortController().signal;

async function heard(packets: readonly Uint8Array[]): Promise<number[]> {
   
  async function* arriving(): AsyncGenerator<Uint8Array> {
    yield* packets;
  }
  const { lanes } = await decode(arriving(), { container: 'opus-packets' }, never);
  const samples: number[] = [];
  for await (const item of lanes[0] ?? []) if (item.kind === 'pcm') samples.push(...item.samples);
  return samples;
}

test('every message is one packet of a mono lane at 16 kHz', async () => {
  const encoder = new OpusEncoder();
  const packets = Array.from({ length: 10 }, () => encoder.encode(sine(960, 400, 48_000)));
  const samples = await heard(packets);
  assert.equal(samples.length, 10 * 320);
  assert.ok(Math.max(...samples.slice(640)) > 2000, 'the tone is there');
});

test('nothing, and what is no packet, are told apart', async () => {
  await assert.rejects(heard([]), { code: 'AUDIO_EMPTY' });
  await assert.rejects(heard([Uint8Array.of(0xff)]), { code: 'AUDIO_MALFORMED' });
});
