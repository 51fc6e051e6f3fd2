import { BLOCK_FRAMES, CepstraTrack, SAMPLES_PER_FRAME } from './cepstra-track.ts';
import { CepstralMean, distance } from './cepstral-mean.ts';
import { type Decoder, type DecodedWord, FrontEnd, type ModelPaths, initialMean } from './library.ts';
import { joined } from './joined.ts';
import { MeanEstimate } from './mean-estimate.ts';
import type { FromEngine, LaneState, SettledWord } from './messages.ts';
import type { SearchTurns } from './search-turns.ts';

/** Frames of one turn: others wait meanwhile, and more would hardly save more. */
const MAX_TURN_FRAMES = 100;
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
  /** Samples written while the segment was open that were not told as consumed. */
  untoldSamples: number;
  endFrame: number | undefined;
  /** The end lies before what was written: what the search has seen is too long. */
  overshot: boolean;
}

/** What a segment's search needs of a decoder. */
export type SegmentDecoder = Pick<Decoder, 'start' | 'process' | 'end' | 'words'>;

/** Where decoders are leased. */
export interface Decoders {
  lease(): Promise<SegmentDecoder>;
  release(decoder: SegmentDecoder): void;
}

/** How far the search of an open segment has come. */
interface Progress {
  frame: number;
  /** The last interim told. */
  shown: string;
  isOver: boolean;
}

/**
 * The search of one lane. Segments are searched one after the other, each with a decoder leased for it, while audio comes in.
 * A segment's result depends on the lane's samples alone: not on timing, chunking or load.
 */
export class LaneSearch {
  readonly #stream: number;
  readonly #model: ModelPaths;
  readonly #decoders: Decoders;
  readonly #turns: SearchTurns;
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
    decoders: Decoders,
    turns: SearchTurns,
    state: LaneState | undefined,
    send: (message: FromEngine) => void,
  ) {
    this.#stream = stream;
    this.#model = model;
    this.#decoders = decoders;
    this.#turns = turns;
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
      this.#open.untoldSamples += samples.length;
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
      untoldSamples: 0,
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
      const decoder = await this.#decoders.lease();
      try {
        await this.#search(segment, decoder);
      } finally {
        this.#decoders.release(decoder);
      }
      this.#queue.shift();
    }
    this.#searching = false;
    if (this.#closed) this.#free();
    else this.#forget();
  }

  async #search(segment: Segment, decoder: SegmentDecoder): Promise<void> {
    const before = this.#mean.state();
    const estimate = new MeanEstimate(this.#mean, segment, this.#speechFrontEnd);
    while (!this.#ended(segment) && this.#mean.frames < MIN_MEAN_FRAMES) {
      // Told before it is searched: a writer that waits for that would keep the speech back that the search waits for.
      if (estimate.takeBlock()) this.#tellConsumed(segment, BLOCK_FRAMES * SAMPLES_PER_FRAME);
      else await this.#arrived.promise;
    }
    while (this.#mean.frames < MIN_MEAN_FRAMES && estimate.takeBlock());
    if (this.#mean.frames < MIN_MEAN_FRAMES) estimate.takeRest();
    const used = this.#mean.value(this.#fallbackMean);
    // Of a segment that is complete already all is known that decides how it is searched.
    const isOpen = segment.endFrame === undefined;
    if (isOpen) await this.#follow(segment, decoder, used);
    if (this.#closed) return;
    estimate.takeRest();
    await this.#settle(segment, decoder, before, { followed: isOpen, mean: used });
  }

  #ended(segment: Segment): boolean {
    return this.#closed || segment.endFrame !== undefined;
  }

  /** Searches the segment while it comes in, telling interims whenever it has caught up, and ends the search with it. */
  async #follow(segment: Segment, decoder: SegmentDecoder, mean: Float32Array): Promise<void> {
    const progress: Progress = { frame: segment.startFrame, shown: '', isOver: false };
    decoder.start(mean);
    while (!progress.isOver) {
      if (this.#ended(segment) || this.#track.endFrame - progress.frame >= BLOCK_FRAMES) {
        await this.#turns.take(() => this.#searchWaiting(segment, decoder, progress));
      } else {
        await this.#arrived.promise;
      }
    }
  }

  /** One turn: the blocks that wait, and the end of the search if nothing is left. */
  async #searchWaiting(segment: Segment, decoder: SegmentDecoder, progress: Progress): Promise<void> {
    const limit = progress.frame + MAX_TURN_FRAMES;
    while (!this.#closed && progress.frame < limit) {
      const waiting = (segment.endFrame ?? this.#track.endFrame) - progress.frame;
      if (waiting <= 0 || (waiting < BLOCK_FRAMES && segment.endFrame === undefined)) break;
      const count = Math.min(BLOCK_FRAMES, waiting);
      await decoder.process(this.#track.slice(progress.frame, progress.frame + count));
      progress.frame += count;
      this.#tellConsumed(segment, count * SAMPLES_PER_FRAME);
    }
    if (this.#closed || (segment.endFrame !== undefined && progress.frame >= segment.endFrame)) {
      await decoder.end();
      progress.isOver = true;
    } else if (segment.endFrame === undefined && this.#track.endFrame - progress.frame < BLOCK_FRAMES) {
      progress.shown = this.#showInterim(segment, decoder, progress.shown);
    }
  }

  #tellConsumed(segment: Segment, atMost: number): void {
    const samples = Math.min(segment.untoldSamples, atMost);
    if (samples === 0) return;
    segment.untoldSamples -= samples;
    this.#send({ type: 'consumed', stream: this.#stream, samples });
  }

  /**
   * The segment is complete. If it was followed, it is searched once more if its end was drawn back, if its own speech moved the
   * mean, or, while little of the lane is known, together with what was said before it.
   */
  async #settle(segment: Segment, decoder: SegmentDecoder, before: LaneState, search: { readonly followed: boolean; readonly mean: Float32Array }): Promise<void> {
    const own: FrameRange = { startFrame: segment.startFrame, endFrame: segment.endFrame ?? this.#track.endFrame };
    const context = before.frames < WARM_UP_FRAMES ? this.#contextOf(own) : [];
    if (segment.overshot) this.#estimateAgain(segment, before, own.endFrame);
    const mean = this.#mean.value(this.#fallbackMean);
    if (segment.overshot || context.length > 0 || distance(mean, search.mean) > MAX_MEAN_DRIFT) {
      await this.#searchWhole(decoder, mean, [...context, own]);
    } else if (!search.followed) {
      await this.#searchWhole(decoder, search.mean, [own]);
    }
    this.#mean.age();
    this.#settled.push(own);
    if (this.#closed) return;
    const contextFrames = context.reduce((sum, range) => sum + range.endFrame - range.startFrame, 0);
    const words = this.#laneWords(decoder.words(), segment, contextFrames, true);
    this.#tellConsumed(segment, Infinity);
    this.#send({ type: 'settled', stream: this.#stream, segment: segment.id, words, state: this.#mean.state() });
  }

  /** Searches complete ranges as one utterance. */
  async #searchWhole(decoder: SegmentDecoder, mean: Float32Array, ranges: readonly FrameRange[]): Promise<void> {
    decoder.start(mean);
    for (const { startFrame, endFrame } of ranges) {
      for (let frame = startFrame; frame < endFrame && !this.#closed; frame += MAX_TURN_FRAMES) {
        await this.#turns.take(() => this.#feed(decoder, { startFrame: frame, endFrame: Math.min(frame + MAX_TURN_FRAMES, endFrame) }));
      }
    }
    await this.#turns.take(() => decoder.end());
  }

  async #feed(decoder: SegmentDecoder, { startFrame, endFrame }: FrameRange): Promise<void> {
    for (let frame = startFrame; frame < endFrame; frame += BLOCK_FRAMES) {
      await decoder.process(this.#track.slice(frame, Math.min(frame + BLOCK_FRAMES, endFrame)));
    }
  }

  /** What the search saw of a drawn-back segment depends on timing, so its estimate is made anew from its samples alone. */
  #estimateAgain(segment: Segment, before: LaneState, endFrame: number): void {
    this.#speechFrontEnd.free();
    this.#speechFrontEnd = new FrontEnd(this.#model, true);
    const samples = joined(segment.pcm).slice(0, (endFrame - segment.startFrame) * SAMPLES_PER_FRAME);
    this.#mean.restore(before);
    this.#mean.add(this.#speechFrontEnd.process(samples));
  }

  #contextOf(segment: FrameRange): FrameRange[] {
    return this.#settled.filter((range) => segment.endFrame - range.startFrame <= CONTEXT_FRAMES);
  }

  #showInterim(segment: Segment, decoder: SegmentDecoder, shown: string): string {
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
    const all = joined(this.#recent);
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
