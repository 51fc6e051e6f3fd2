import { EarshotError } from '../../src/core/errors.ts';
import type { PcmFormat } from '../pcm/pcm-stream.ts';
import { parseWavFormat, WAV_FORMAT_BYTES } from './wav-format.ts';

/** Bytes that may come before the samples (tags, cue points, cover art: all skipped). */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;
/** What a writer puts who does not know the size yet: the samples then go on to the end. */
const UNKNOWN_SIZE = 0xffff_ffff;
const EMPTY = new Uint8Array(0);

type State = 'riff' | 'chunk' | 'ds64' | 'format' | 'skip' | 'samples' | 'done';

/**
 * A WAV file or stream as it arrives, in any chunking (RIFF: IBM and Microsoft 1991; RF64: EBU Tech 3306).
 *
 * ```
 *  riff ──► chunk ──┬─ "ds64" ──► ds64 ───┐
 *            ▲      ├─ "fmt " ──► format ─┤
 *            │      ├─ other ─────────────┴──► skip ──┐   (the rest of the chunk and its padding)
 *            └──────│─────────────────────────────────┘
 *                   └─ "data" ──► samples ──► done        (size 0 or 0xFFFFFFFF: samples to the end of the stream)
 * ```
 * Sizes are hints: a stream that ends before the announced size gives what was there.
 */
export class WavParser {
  readonly #maxChannels: number;
  readonly #field = new Uint8Array(WAV_FORMAT_BYTES);
  #fieldBytes = 0;
  #state: State = 'riff';
  #format: PcmFormat | undefined;
  #headerBytes = 0;
  /** Bytes the present state still wants: of its field, to skip, or of samples. */
  #remaining = 12;
  /** Bytes of the chunk behind the field that is being read. */
  #rest = 0;
  #isRf64 = false;
  #rf64DataBytes = 0;

  constructor(maxChannels: number) {
    this.#maxChannels = maxChannels;
  }

  /** Known once the samples begin. */
  get format(): PcmFormat | undefined {
    return this.#state === 'samples' || this.#state === 'done' ? this.#format : undefined;
  }

  /** The announced samples are complete: nothing further matters. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Answers the part of `bytes` that is samples. Throws `AUDIO_MALFORMED` or `AUDIO_UNSUPPORTED`. */
  push(bytes: Uint8Array): Uint8Array {
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#state === 'done') return EMPTY;
      const taken = bytes.subarray(offset, offset + this.#remaining);
      offset += taken.length;
      this.#remaining -= taken.length;
      if (this.#state === 'samples') {
        if (this.#remaining === 0) this.#state = 'done';
        return taken;
      }
      this.#readHeader(taken);
    }
    return EMPTY;
  }

  /** The bytes are over. Throws `AUDIO_TRUNCATED` if the samples have not begun. */
  end(): void {
    if (this.format === undefined) throw new EarshotError('AUDIO_TRUNCATED', 'The WAV file ends inside its header.');
  }

  #readHeader(taken: Uint8Array): void {
    this.#headerBytes += taken.length;
    if (this.#headerBytes > MAX_HEADER_BYTES) {
      throw new EarshotError('AUDIO_MALFORMED', `The WAV header has no samples within ${MAX_HEADER_BYTES} bytes.`);
    }
    if (this.#state !== 'skip') {
      this.#field.set(taken, this.#fieldBytes);
      this.#fieldBytes += taken.length;
    }
    if (this.#remaining > 0) return;
    const field = new DataView(this.#field.buffer, 0, this.#fieldBytes);
    this.#fieldBytes = 0;
    this.#finishField(field);
  }

  #finishField(field: DataView): void {
    switch (this.#state) {
      case 'riff':
        return this.#finishRiff(field);
      case 'chunk':
        return this.#beginChunk(fourCc(field, 0), field.getUint32(4, true));
      case 'ds64':
        // A size beyond 2^53 is a lie anyway.
        this.#rf64DataBytes = Number(field.getBigUint64(8, true));
        return this.#want('skip', this.#rest);
      case 'format':
        this.#format = parseWavFormat(field, this.#maxChannels);
        return this.#want('skip', this.#rest);
      case 'skip':
        return this.#want('chunk', 8);
      case 'samples':
      case 'done':
        return;
    }
  }

  #finishRiff(field: DataView): void {
    const form = fourCc(field, 8);
    if (form !== 'WAVE') {
      throw new EarshotError('AUDIO_UNSUPPORTED', 'The file is RIFF, but not WAVE.');
    }
    this.#isRf64 = fourCc(field, 0) === 'RF64';
    this.#want('chunk', 8);
  }

  #beginChunk(id: string, sizeBytes: number): void {
    if (id === 'data') return this.#beginSamples(sizeBytes);
    const paddedBytes = sizeBytes + (sizeBytes % 2);
    if (id === 'ds64' && this.#isRf64) return this.#beginField('ds64', 24, paddedBytes);
    if (id === 'fmt ') {
      if (this.#format) throw new EarshotError('AUDIO_MALFORMED', 'The WAV header describes its format twice.');
      if (sizeBytes < 16) throw new EarshotError('AUDIO_MALFORMED', `The WAV format chunk has ${sizeBytes} bytes instead of 16.`);
      return this.#beginField('format', Math.min(sizeBytes, WAV_FORMAT_BYTES), paddedBytes);
    }
    this.#want('skip', paddedBytes);
  }

  #beginField(state: 'ds64' | 'format', fieldBytes: number, chunkBytes: number): void {
    if (chunkBytes < fieldBytes) throw new EarshotError('AUDIO_MALFORMED', `The WAV header has a ${state} chunk of ${chunkBytes} bytes.`);
    this.#rest = chunkBytes - fieldBytes;
    this.#want(state, fieldBytes);
  }

  #beginSamples(sizeBytes: number): void {
    if (!this.#format) throw new EarshotError('AUDIO_MALFORMED', 'The WAV samples come before their format.');
    const announced = this.#isRf64 && sizeBytes === UNKNOWN_SIZE ? this.#rf64DataBytes : sizeBytes;
    this.#state = 'samples';
    this.#remaining = announced === 0 || announced === UNKNOWN_SIZE ? Infinity : announced;
  }

  #want(state: State, bytes: number): void {
    this.#state = state;
    this.#remaining = bytes;
    // An empty rest is over at once.
    if (bytes === 0) this.#want('chunk', 8);
  }
}

function fourCc(field: DataView, offset: number): string {
  return String.fromCharCode(...new Uint8Array(field.buffer, field.byteOffset + offset, 4));
}
