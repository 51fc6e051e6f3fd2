import { EarshotError } from '../../src/core/errors.ts';
import { BYTES_PER_SAMPLE, type SampleEncoding } from '../pcm/sample-encoding.ts';
import type { PcmFormat } from '../pcm/pcm-stream.ts';

/** Bytes of the format chunk that say something: WAVEFORMATEXTENSIBLE, the longest of its kinds. */
export const WAV_FORMAT_BYTES = 40;

/** Rates that speech can be in. Below it every byte would swell to many samples, so a lying header could keep a server busy for days. */
const MIN_INPUT_RATE_HZ = 4000;
const MAX_INPUT_RATE_HZ = 192_000;

const TAG_PCM = 0x0001;
const TAG_FLOAT = 0x0003;
const TAG_ALAW = 0x0006;
const TAG_MULAW = 0x0007;
const TAG_EXTENSIBLE = 0xfffe;
/** The tail of every sub-format GUID that wraps a plain tag: {xxxxxxxx-0000-0010-8000-00AA00389B71}. */
const GUID_TAIL = '000000001000800000aa00389b71';

/**
 * The WAVEFORMAT, WAVEFORMATEX or WAVEFORMATEXTENSIBLE structure (Microsoft, mmreg.h).
 * Throws `AUDIO_MALFORMED` where it contradicts itself and `AUDIO_UNSUPPORTED` where it asks for more than we do.
 */
export function parseWavFormat(field: DataView, maxChannels: number): PcmFormat {
  const channels = field.getUint16(2, true);
  const sampleRateHz = field.getUint32(4, true);
  const bytesPerFrame = field.getUint16(12, true);
  const bitsPerSample = field.getUint16(14, true);
  checkPcmShape({ channels, sampleRateHz }, maxChannels);
  const encoding = encodingOf(formatTag(field), bitsPerSample);
  if (bytesPerFrame !== channels * BYTES_PER_SAMPLE[encoding]) {
    throw new EarshotError(
      'AUDIO_MALFORMED',
      `The WAV header says ${bytesPerFrame} bytes per frame for ${channels} channel(s) of ${bitsPerSample} bits.`,
    );
  }
  return { encoding, channels, sampleRateHz };
}

/** Throws if channels or rate are impossible (`AUDIO_MALFORMED`) or beyond what is decoded (`AUDIO_UNSUPPORTED`). */
export function checkPcmShape(shape: { readonly channels: number; readonly sampleRateHz: number }, maxChannels: number): void {
  const { channels, sampleRateHz } = shape;
  if (!Number.isInteger(channels) || channels < 1) {
    throw new EarshotError('AUDIO_MALFORMED', `Audio with ${channels} channels is not audio.`);
  }
  if (!Number.isInteger(sampleRateHz) || sampleRateHz < 1) {
    throw new EarshotError('AUDIO_MALFORMED', `A sample rate of ${sampleRateHz} Hz is not possible.`);
  }
  if (channels > maxChannels) {
    throw new EarshotError('AUDIO_UNSUPPORTED', `The audio has ${channels} channels; at most ${maxChannels} are taken.`);
  }
  if (sampleRateHz < MIN_INPUT_RATE_HZ || sampleRateHz > MAX_INPUT_RATE_HZ) {
    throw new EarshotError(
      'AUDIO_UNSUPPORTED',
      `The audio has a sample rate of ${sampleRateHz} Hz; ${MIN_INPUT_RATE_HZ} to ${MAX_INPUT_RATE_HZ} Hz are taken.`,
    );
  }
}

function formatTag(field: DataView): number {
  const tag = field.getUint16(0, true);
  if (tag !== TAG_EXTENSIBLE) return tag;
  if (field.byteLength < WAV_FORMAT_BYTES) {
    throw new EarshotError('AUDIO_MALFORMED', 'The WAV header has an extensible format without its extension.');
  }
  const tail = Buffer.from(field.buffer, field.byteOffset + 26, 14).toString('hex');
  if (tail !== GUID_TAIL) throw new EarshotError('AUDIO_UNSUPPORTED', 'The WAV file has a private encoding.');
  return field.getUint16(24, true);
}

function encodingOf(tag: number, bitsPerSample: number): SampleEncoding {
  switch (tag) {
    case TAG_PCM: {
      // 12 bits lie in 16, 20 in 24, left-justified.
      const encoding = ([undefined, 'u8', 's16', 's24', 's32'] as const)[Math.ceil(bitsPerSample / 8)];
      if (encoding) return encoding;
      break;
    }
    case TAG_FLOAT:
      if (bitsPerSample === 32) return 'f32';
      if (bitsPerSample === 64) return 'f64';
      break;
    case TAG_ALAW:
      if (bitsPerSample === 8) return 'alaw';
      break;
    case TAG_MULAW:
      if (bitsPerSample === 8) return 'mulaw';
      break;
  }
  throw new EarshotError(
    'AUDIO_UNSUPPORTED',
    `The WAV file has encoding 0x${tag.toString(16).padStart(4, '0')} with ${bitsPerSample} bits; PCM, float, A-law and mu-law are taken.`,
  );
}
