import { EarshotError } from '../../src/core/errors.ts';
import type { PcmFormat } from '../pcm/pcm-stream.ts';
import { WavParser } from './wav.ts';

/** Interleaved samples of a known format, as they come. */
export interface PcmSource {
  readonly format: PcmFormat;
  /** The next bytes of samples, possibly none; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Why the source ended without one whole sample. */
  nothingDecoded(): EarshotError;
}

/** Where bytes come from: the sender, or a decoder process. */
export interface ByteSource {
  next(): Promise<Uint8Array | undefined>;
  nothingDecoded?(): EarshotError;
}

export function rawSource(bytes: ByteSource, format: PcmFormat): PcmSource {
  return { format, next: () => bytes.next(), nothingDecoded: () => noSamples() };
}

/** Reads a WAV header; resolves at its end. Rejects with what {@link WavParser} throws, or the source's own explanation. */
export async function openWavSource(bytes: ByteSource, maxChannels: number): Promise<PcmSource> {
  const parser = new WavParser(maxChannels);
  let first: Uint8Array | undefined;
  while (!parser.format) {
    const chunk = await bytes.next();
    if (!chunk) {
      if (bytes.nothingDecoded) throw bytes.nothingDecoded();
      parser.end();
      break;
    }
    first = parser.push(chunk);
  }
  return {
    format: parser.format!,
    async next() {
      const kept = first;
      first = undefined;
      if (kept) return kept;
      if (parser.done) return undefined;
      const chunk = await bytes.next();
      return chunk && parser.push(chunk);
    },
    nothingDecoded: () => bytes.nothingDecoded?.() ?? noSamples(),
  };
}

function noSamples(): EarshotError {
  return new EarshotError('AUDIO_EMPTY', 'There is not one sample in the audio.');
}
