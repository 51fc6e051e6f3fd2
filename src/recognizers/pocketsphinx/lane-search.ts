import { CepstraTrack, SAMPLES_PER_FRAME } from './cepstra-track.ts';
import { CepstralMean, distance } from './cepstral-mean.ts';
import type { DecoderPool } from './decoder-pool.ts';
import { type Decoder, type DecodedWord, FrontEnd, type ModelPaths, initialMean } from './library.ts';
import type { FromEngine, LaneState, SettledWord } from './messages.ts';

/** Frames searched at a time. Fixed and counted from the segment's start: results must not depend on how audio arrived. */
const BLOCK_FRAMES = 10;
const BLOCK_SAMPLES = BLOCK_FRAMES * SAMPLES_PER_FRAME;
/** A lane of which less speech is known has no usable mean: the search waits for it, or for the segment's end. */
const MIN_MEAN_FRAMES = 100;
/** A mean that moved further than this during the segment is wrong enough to search the segment again. */
const MAX_MEAN_DRIFT = 6;
/** While the lane has less speech than this, segments are searched together with those before them. */
const WARM_UP_FRAMES = 1200;
/** The segments that go together then lie within this stretch of the lane; the silence between them is left out. */
const CONTEXT_FRAMES = 800;
/** Samples kept outside segments: a segment begins in the past. */
const KEPT_SAMPLES = 4 * 16_000;

/** `endFrame` is the first frame after. */
interface FrameRange {
  readonly startFrame: number;
  readonly endFrame: number;
}

interface Segment {
  readonly id: number;
  readonly startFrame: number;
  readonly skippedSamples: number;
  /** The segment's audio, for the estimate of the mean. */
  readonly pcm: Int16Array[];
  pcmSamples: number;
  endFrame: number | undefined;
  /** The end lies before what was written: what the search has seen is too long. */
  overshot: boolean;
}

/**
 * The search of one lane. Segments are searched one after the other, each with a decoder leased for it, while audio comes in.
 * A segment's result depends on the lane's samples alone: not on timing, chunking or load.
 */
export class LaneSearch {
  readonly #stream: number;
  readonly #model: ModelPaths;
  readonly #pool: DecoderPool;
  readonly #send: (message: FromEngine) => void;
  readonly #frontEnd: FrontEnd;
  #speechFrontEnd: FrontEnd;
  readonly #track = new CepstraTrack();
  readonly #mean: CepstralMean;
  readonly #fallbackMean: Float32Array;
  /** The last samples written, so that a segment may begin in the past. */
  #recent: Int16Array[] = [];
  #recentSamples = 0;
  #writtenSample = 0;
  #open: Segment | undefined;
  readonly #queue: Segment[] = [];
  /** Settled segments that may still be context. */
  #settled: FrameRange[] = [];
  #searching = false;
  #closed = false;
  #arrived = Promise.withResolvers<void>();

  constructor(
    stream: number,
    model: ModelPaths,
    pool: DecoderPool,
    state: LaneState | undefined,
    send: (message: FromEngine) => void,
  ) {
    this.#stream = stream;
    this.#model = model;
    this.#pool = pool;
    this.#send = send;
    this.#frontEnd = new FrontEnd(model, false);
    this.#speechFrontEnd = new FrontEnd(model, true);
    this.#fallbackMean = initialMean(model);
    this.#mean = new CepstralMean(state);
  }

  write(startSample: number, samples: Int16Array): void {
    this.#track.advance(startSample, samples.length);
    this.#track.append(this.#frontEnd.process(samples));
    this.#writtenSample = startSample + samples.length;
    this.#keep(samples);
    if (this.#open) {
      this.#open.pcm.push(samples);
      this.#open.pcmSamples += samples.length;
      this.#wake();
    } else {
      this.#send({ type: 'consumed', stream: this.#stream, samples: samples.length });
      if (this.#queue.length === 0) this.#forget();
    }
  }

  begin(id: number, startSample: number): void {
    const lookBack = this.#lastSamples(this.#writtenSample - startSample);
    const segment: Segment = {
      id,
      startFrame: this.#track.frameAt(startSample),
      skippedSamples: this.#track.skippedSamples,
      pcm: [lookBack],
      pcmSamples: lookBack.length,
      endFrame: undefined,
      overshot: false,
    };
    this.#open = segment;
    this.#queue.push(segment);
    if (!this.#searching) void this.#searchQueue();
  }

  end(endSample: number): void {
    const segment = this.#open;
    if (!segment) return;
    this.#open = undefined;
    segment.overshot = endSample < this.#writtenSample;
    segment.endFrame = segment.overshot ? this.#track.frameAt(endSample) : this.#track.endFrame;
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#open = undefined;
    this.#wake();
    if (!this.#searching) this.#free();
  }

  async #searchQueue(): Promise<void> {
    this.#searching = true;
    for (let segment = this.#queue[0]; segment && !this.#closed; segment = this.#queue[0]) {
      const decoder = await this.#pool.lease();
      try {
        await this.#search(segment, decoder);
      } finally {
        this.#pool.release(decoder);
      }
      this.#queue.shift();
    }
    this.#searching = false;
    if (this.#closed) this.#free();
    else this.#forget();
  }

  async #search(segment: Segment, decoder: Decoder): Promise<void> {
    const before = this.#mean.state();
    const estimate = new MeanEstimate(this.#mean, segment, this.#speechFrontEnd);
    while (!this.#ended(segment) && this.#mean.frames < MIN_MEAN_FRAMES) {
      if (!estimate.takeBlock()) await this.#arrived.promise;
    }
    while (this.#mean.frames < MIN_MEAN_FRAMES && estimate.takeBlock());
    if (this.#mean.frames < MIN_MEAN_FRAMES) estimate.takeRest();
    const used = this.#mean.value(this.#fallbackMean);
    decoder.start(used);
    await this.#follow(segment, decoder);
    await decoder.end();
    if (this.#closed) return;
    estimate.takeRest();
    await this.#settle(segment, decoder, before, used);
  }

  #ended(segment: Segment): boolean {
    return this.#closed || segment.endFrame !== undefined;
  }

  /** Searches the segment while it comes in, block by block, telling interims whenever it has caught up. */
  async #follow(segment: Segment, decoder: Decoder): Promise<void> {
    let frame = segment.startFrame;
    let shown = '';
    while (!this.#closed) {
      const ended = segment.endFrame !== undefined;
      const available = segment.endFrame ?? this.#track.endFrame;
      if (available - frame >= BLOCK_FRAMES || (ended && available > frame)) {
        const to = Math.min(frame + BLOCK_FRAMES, available);
        await decoder.process(this.#track.slice(frame, to));
        this.#send({ type: 'consumed', stream: this.#stream, samples: (to - frame) * SAMPLES_PER_FRAME });
        frame = to;
        const caughtUp = segment.endFrame === undefined && this.#track.endFrame - frame < BLOCK_FRAMES;
        if (caughtUp) shown = this.#showInterim(segment, decoder, shown);
      } else if (ended) {
        return;
      } else {
        await this.#arrived.promise;
      }
    }
  }

  /**
   * The segment is complete. It is searched once more if its end was drawn back, if its own speech moved the mean, or, while
   * little of the lane is known, together with what was said before it.
   */
  async #settle(segment: Segment, decoder: Decoder, before: LaneState, used: Float32Array): Promise<void> {
    const own: FrameRange = { startFrame: segment.startFrame, endFrame: segment.endFrame ?? this.#track.endFrame };
    const context = before.frames < WARM_UP_FRAMES ? this.#contextOf(own) : [];
    if (segment.overshot) this.#estimateAgain(segment, before, own.endFrame);
    const mean = this.#mean.value(this.#fallbackMean);
    if (segment.overshot || context.length > 0 || distance(mean, used) > MAX_MEAN_DRIFT) {
      decoder.start(mean);
      for (const range of [...context, own]) await this.#feed(decoder, range);
      await decoder.end();
    }
    this.#mean.age();
    this.#settled.push(own);
    if (this.#closed) return;
    const contextFrames = context.reduce((sum, range) => sum + range.endFrame - range.startFrame, 0);
    const words = this.#laneWords(decoder.words(), segment, contextFrames, true);
    this.#send({ type: 'settled', stream: this.#stream, segment: segment.id, words, state: this.#mean.state() });
  }

  async #feed(decoder: Decoder, range: FrameRange): Promise<void> {
    for (let frame = range.startFrame; frame < range.endFrame && !this.#closed; frame += BLOCK_FRAMES) {
      await decoder.process(this.#track.slice(frame, Math.min(frame + BLOCK_FRAMES, range.endFrame)));
    }
  }

  /** What the search saw of a drawn-back segment depends on timing, so its estimate is made anew from its samples alone. */
  #estimateAgain(segment: Segment, before: LaneState, endFrame: number): void {
    this.#speechFrontEnd.free();
    this.#speechFrontEnd = new FrontEnd(this.#model, true);
    const samples = join(segment.pcm).slice(0, (endFrame - segment.startFrame) * SAMPLES_PER_FRAME);
    this.#mean.restore(before);
    this.#mean.add(this.#speechFrontEnd.process(samples));
  }

  #contextOf(segment: FrameRange): FrameRange[] {
    return this.#settled.filter((range) => segment.endFrame - range.startFrame <= CONTEXT_FRAMES);
  }

  #showInterim(segment: Segment, decoder: Decoder, shown: string): string {
    const words = this.#laneWords(decoder.words(), segment, 0, false);
    const text = words.map((word) => word.text).join(' ');
    if (text !== shown) this.#send({ type: 'interim', stream: this.#stream, segment: segment.id, words });
    return text;
  }

  /** Words of the segment itself, in lane samples; those of the context before it were told already. */
  #laneWords(words: DecodedWord[], segment: Segment, contextFrames: number, isSettled: boolean): SettledWord[] {
    const toSample = (frame: number): number =>
      (segment.startFrame + Math.max(0, frame - contextFrames)) * SAMPLES_PER_FRAME + segment.skippedSamples;
    return words
      .filter((word) => (word.startFrame + word.endFrame) / 2 >= contextFrames)
      .map((word) => ({
        text: word.text,
        startSample: toSample(word.startFrame),
        endSample: toSample(word.endFrame + 1),
        ...(isSettled && { confidence: word.confidence }),
      }));
  }

  #keep(samples: Int16Array): void {
    this.#recent.push(samples);
    this.#recentSamples += samples.length;
    while (this.#recentSamples - (this.#recent[0]?.length ?? 0) > KEPT_SAMPLES) {
      this.#recentSamples -= this.#recent.shift()?.length ?? 0;
    }
  }

  #lastSamples(count: number): Int16Array {
    const all = join(this.#recent);
    return all.slice(Math.max(0, all.length - count));
  }

  #forget(): void {
    const keptFrames = KEPT_SAMPLES / SAMPLES_PER_FRAME;
    const warm = this.#mean.frames >= WARM_UP_FRAMES;
    const oldest = this.#track.endFrame - (warm ? keptFrames : keptFrames + CONTEXT_FRAMES);
    this.#settled = warm ? [] : this.#settled.filter((range) => range.startFrame >= oldest);
    this.#track.forgetBefore(oldest);
  }

  #wake(): void {
    const { resolve } = this.#arrived;
    this.#arrived = Promise.withResolvers<void>();
    resolve();
  }

  #free(): void {
    this.#frontEnd.free();
    this.#speechFrontEnd.free();
  }
}

/** Feeds a segment's samples to the mean in whole blocks, so that the moment of looking does not matter. */
class MeanEstimate {
  readonly #mean: CepstralMean;
  readonly #segment: Segment;
  readonly #frontEnd: FrontEnd;
  #takenSamples = 0;

  constructor(mean: CepstralMean, segment: Segment, frontEnd: FrontEnd) {
    this.#mean = mean;
    this.#segment = segment;
    this.#frontEnd = frontEnd;
  }

  /** Takes the next whole block; false where it has not arrived. */
  takeBlock(): boolean {
    if (this.#segment.pcmSamples - this.#takenSamples < BLOCK_SAMPLES) return false;
    this.#take(BLOCK_SAMPLES);
    return true;
  }

  takeRest(): void {
    this.#take(this.#segment.pcmSamples - this.#takenSamples);
  }

  #take(count: number): void {
    if (count === 0) return;
    const samples = join(this.#segment.pcm).slice(this.#takenSamples, this.#takenSamples + count);
    this.#mean.add(this.#frontEnd.process(samples));
    this.#takenSamples += count;
  }
}

function join(parts: readonly Int16Array[]): Int16Array {
  const out = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
