import { SAMPLE_RATE_HZ } from '../../core/audio.ts';

const HEADER_BYTES = 44;
const SAMPLE_BYTES = 2;

/** Mono 16-bit PCM as a WAV file. */
export function wavOf(samples: Int16Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + samples.length * SAMPLE_BYTES);
  const view = new DataView(bytes.buffer);
  const tag = (offset: number, text: string): void => {
    new TextEncoder().encodeInto(text, bytes.subarray(offset));
  };
  tag(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  tag(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, SAMPLE_RATE_HZ, true);
  view.setUint32(28, SAMPLE_RATE_HZ * SAMPLE_BYTES, true);
  view.setUint16(32, SAMPLE_BYTES, true);
  view.setUint16(34, 8 * SAMPLE_BYTES, true);
  tag(36, 'data');
  view.setUint32(40, samples.length * SAMPLE_BYTES, true);
  for (const [index, sample] of samples.entries()) view.setInt16(HEADER_BYTES + index * SAMPLE_BYTES, sample, true);
  return bytes;
}
