import type { AudioDecoder } from '../../src/core/audio.ts';
import { EarshotError } from '../../src/core/errors.ts';
import { FedSource } from '../../src/core/testing/audio.ts';

/** Takes every byte for 16-bit mono PCM; refuses what is empty or begins with `BAD`. */
export const rawDecoder: AudioDecoder = async (bytes, _format, signal) => {
  const iterator = wholeSamples(bytes);
  const first: IteratorResult<Uint8Array, unknown> = await iterator.next();
  signal.throwIfAborted();
  if (first.done === true) throw new EarshotError('AUDIO_EMPTY', 'Not one byte of audio was sent.');
  if (Buffer.from(first.value).toString('latin1').startsWith('BAD')) throw new EarshotError('AUDIO_UNSUPPORTED', 'No audio.');
  const source = new FedSource();
  void (async () => {
    source.pcm(samplesOf(first.value));
    for await (const more of { [Symbol.asyncIterator]: () => iterator }) source.pcm(samplesOf(more));
    source.end();
  })().catch((error: unknown) => source.fail(error));
  return { lanes: [source] };
};

/** Networks cut where they like. */
async function* wholeSamples(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let odd = new Uint8Array(0);
  for await (const chunk of bytes) {
    const all = Buffer.concat([odd, chunk]);
    const even = all.length - (all.length % 2);
    odd = Uint8Array.from(all.subarray(even));
    yield all.subarray(0, even);
  }
}

const samplesOf = (bytes: Uint8Array): Int16Array => new Int16Array(Uint8Array.from(bytes).buffer);

export const bytesOf = (samples: Int16Array): Uint8Array => new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
