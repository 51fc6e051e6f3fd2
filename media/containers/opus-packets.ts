import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { EarshotError } from '../../src/core/errors.ts';
import { OpusDecoder } from '../rtp/opus.ts';
import type { ByteReader } from './byte-reader.ts';
import type { PcmSource } from './pcm-source.ts';

/** One Opus packet a message, as senders without a container do it. A packet that is none is `AUDIO_MALFORMED`. */
export function opusPacketSource(packets: ByteReader): PcmSource {
  const decoder = new OpusDecoder();
  return {
    format: { encoding: 's16', channels: 1, sampleRateHz: SAMPLE_RATE_HZ },
    async next() {
      const packet = await packets.next();
      if (!packet) return undefined;
      const samples = decoder.decode(packet);
      if (!samples) throw new EarshotError('AUDIO_MALFORMED', 'A message is no Opus packet.');
      return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    },
    nothingDecoded: () => new EarshotError('AUDIO_EMPTY', 'There is not one sample in the audio.'),
  };
}
