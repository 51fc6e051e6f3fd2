import { SAMPLE_RATE_HZ, type PcmFrame } from '../../core/audio.ts';
import { type EarshotError, toEarshotError } from '../../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES, type RecognizerStream } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';
import { laneWords, type UpstreamWord } from './lane-words.ts';
import { RecentAudio } from './recent-audio.ts';
import { closedError } from './upstream-error.ts';

/** Asks the upstream for the words of one chunk; times are seconds of the chunk. Throws what becomes of the stream. */
export type TranscribeChunk = (samples: Int16Array, signal: AbortSignal) => Promise<readonly UpstreamWord[]>;

/** Chunks of one lane that may be at the upstream. */
const MAX_UPLOADS = 2;
/** The lane cuts its segments a little late; only what is clearly longer is cut here. */
const CUT_SLACK_SAMPLES = SAMPLE_RATE_HZ;

/**
 * One lane at an upstream that takes whole recordings: each segment is one upload. A segment longer than a chunk goes in several.
 * There are no interims; what is settled is all there is.
 */
export class ChunkStream implements RecognizerStream {
  readonly #transcribe: TranscribeChunk;
  readonly #maxChunkSamples: number;
  readonly #recent = new RecentAudio();
  readonly #closing = new AbortController();
  #writtenSample = 0;
  /** Start of what the open segment has not uploaded yet. */
  #chunkStart: number | undefined;
  /** Uploads of the open segment. */
  #chunks: Promise<readonly Word[]>[] = [];
  #uploads = 0;
  #wakeWriters: (() => void)[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  #failure: EarshotError | undefined;

  constructor(transcribe: TranscribeChunk, maxChunkSamples: number) {
    this.#transcribe = transcribe;
    this.#maxChunkSamples = maxChunkSamples;
  }

  async write(frame: PcmFrame): Promise<void> {
    if (this.#isClosed()) return;
    this.#recent.push(frame);
    this.#writtenSample = frame.startSample + frame.samples.length;
    this.#cutLongSegment();
    this.#recent.forgetBefore(Math.min(this.#chunkStart ?? Infinity, this.#writtenSample - MAX_LOOK_BACK_SAMPLES));
    await this.#room();
    if (this.#failure !== undefined && !this.#isClosed()) throw this.#failure;
  }

  beginSegment(startSample: number): void {
    this.#chunkStart = startSample;
    this.#cutLongSegment();
  }

  endSegment(endSample: number): Promise<readonly Word[]> {
    const startSample = this.#chunkStart;
    this.#chunkStart = undefined;
    if (this.#isClosed()) return Promise.reject(closedError());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (startSample !== undefined && startSample < endSample) this.#upload(startSample, endSample);
    const settled = Promise.all([...this.#chunks, this.#tail]).then((parts) => parts.slice(0, -1) as (readonly Word[])[]);
    this.#chunks = [];
    this.#tail = settled.catch(() => undefined);
    return settled.then((parts) => parts.flat().filter((word) => word.startSample < endSample).map((word) => clipped(word, endSample)));
  }

  async close(): Promise<void> {
    this.#closing.abort(closedError());
    this.#wake();
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #room(): Promise<void> {
    while (this.#uploads > MAX_UPLOADS && !this.#isClosed() && this.#failure === undefined) {
      await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
    }
  }

  #cutLongSegment(): void {
    while (this.#chunkStart !== undefined && this.#writtenSample - this.#chunkStart > this.#maxChunkSamples + CUT_SLACK_SAMPLES) {
      this.#upload(this.#chunkStart, this.#chunkStart + this.#maxChunkSamples);
      this.#chunkStart += this.#maxChunkSamples;
    }
  }

  #upload(startSample: number, endSample: number): void {
    this.#uploads += 1;
    const words = this.#words(this.#recent.slice(startSample, endSample), startSample, endSample);
    // Whoever ends the segment hears of it; until then the next write does.
    words.catch((error: unknown) => {
      this.#failure ??= toEarshotError(error);
    }).finally(() => {
      this.#uploads -= 1;
      this.#wake();
    });
    this.#chunks.push(words);
  }

  async #words(samples: Int16Array, startSample: number, endSample: number): Promise<readonly Word[]> {
    const { signal } = this.#closing;
    const closed = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => { reject(closedError()); }, { once: true });
    });
    closed.catch(() => undefined);
    const heard = await Promise.race([this.#transcribe(samples, signal), closed]);
    return laneWords(heard, { upstreamStart: 0, startSample, endSample });
  }

  #wake(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}

const clipped = (word: Word, endSample: number): Word => (word.endSample > endSample ? { ...word, endSample } : word);
