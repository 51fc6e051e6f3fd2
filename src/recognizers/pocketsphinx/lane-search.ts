import { BLOCK_FRAMES, CepstraTrack, SAMPLES_PER_FRAME } from './cepstra-track.ts';
import { CepstralMean } from './cepstral-mean.ts';
import { Context } from './context.ts';
import { type DecodedWord, FrontEnd, type ModelPaths, initialMean } from './library.ts';
import { LaneClock } from './lane-clock.ts';
import { MeanEstimate } from './mean-estimate.ts';
import type { FromEngine, LaneState, SettledWord } from './messages.ts';
import type { SearchTurns } from '../adapters/search-turns.ts';
import { MAX_TURN_FRAMES, type SearchStart, type SegmentDecoder, SegmentSearch } from './segment-search.ts';
import { Segment } from './segment.ts';

const MS_PER_FRAME = 10;
const SAMPLES_PER_MS = 16;
const NO_CONTEXT = new Float32Array(0);
/** A segment that pauses ends after so much more silence, with the usual endpoint. */
const REST_OF_PAUSE_MS = 450;
/**
 * Before that it is likely over, and its search is ended so that the second pass is done by then: after so much of the rest at the latest.
 * Where speech goes on after all, the segment is searched again.
 */
const MAX_PATIENCE_MS = 200;
/** What a second pass takes before one was measured. */
const PASS_MS_PER_FRAME = 0.5;
/** Shorter ones tell little of what a frame takes. */
const MIN_MEASURED_FRAMES = 100;
/** A word that was said longer ago does not belong to the same sentence. */
const MAX_SENTENCE_PAUSE_SAMPLES = 3 * 16_000;
/** Samples kept outside segments: a segment begins in the past. */
const KEPT_SAMPLES = 4 * 16_000;

/** While others are searched on the same core, so many frames for each are gathered for a turn: each change of lanes empties the core's cache. */
const SHARED_TURN_FRAMES = 20;

/** A core is crowded with so many lanes at work, and one with fewer gets over its delays. */
const CROWD = 3;
/** So long after the audio was said its search is late: on a crowded core where lanes keep pace, what only betters words is left out then. */
const LATE_MS = 500;

/** Where decoders are leased. */
export interface Decoders {
  /** How many are. */
  readonly leased: number;
  lease(): Promise<SegmentDecoder>;
  release(decoder: SegmentDecoder): void;
}

export interface LaneSearchOptions {
  /** Lanes here keep pace with who speaks: when the core cannot, words that come in time are worth more than some that are better. Default false. */
  readonly keepsPace?: boolean;
  /** How many lanes there are on this core, whether somebody speaks there or not. Default: this one. */
  readonly lanes?: () => number;
  /** Default: the monotonic clock of this process. */
  readonly nowMs?: () => number;
}

/** One segment at work. */
interface Work {
  readonly segment: Segment;
  readonly search: SegmentSearch;
  /** What was said right before, if anything. */
  readonly previousWord: string | undefined;
  estimate: MeanEstimate;
  /** The last interim told. */
  shown: string;
  /** How far the search had come then: one that starts over says nothing until it is there again. */
  shownFrame: number;
  /** Time in turns. */
  searchMs: number;
}

/**
 * The search of one lane. Segments are searched one after the other, each with a decoder leased for it, while audio comes in.
 * A segment's result depends on the lane's samples alone, not on timing or chunking; nor on load, but for lanes that keep pace where the core cannot.
 */
export class LaneSearch {
  readonly #stream: number;
  readonly #decoders: Decoders;
  readonly #turns: SearchTurns;
  readonly #send: (message: FromEngine) => void;
  readonly #frontEnd: FrontEnd;
  readonly #track = new CepstraTrack();
  readonly #mean: CepstralMean;
  readonly #fallbackMean: Float32Array;
  readonly #context: Context;
  readonly #lanes: () => number;
  /** Of a lane that keeps pace. */
  readonly #clock: LaneClock | undefined;
  #lastWord: LaneState['lastWord'];
  #writtenSample = 0;
  #passMsPerFrame = PASS_MS_PER_FRAME;
  #open: Segment | undefined;
  readonly #queue: Segment[] = [];
  /** Segments that ended before what had been written and searched. */
  readonly #drawnBack = new WeakSet<Segment>();
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
    { keepsPace = false, lanes = () => 1, nowMs = () => performance.now() }: LaneSearchOptions = {},
  ) {
    this.#stream = stream;
    this.#decoders = decoders;
    this.#turns = turns;
    this.#send = send;
    this.#frontEnd = new FrontEnd(model);
    this.#fallbackMean = initialMean(model);
    this.#mean = new CepstralMean(state);
    this.#context = new Context(state?.context);
    this.#lastWord = state?.lastWord;
    this.#lanes = lanes;
    this.#clock = keepsPace ? new LaneClock(nowMs) : undefined;
  }

  write(startSample: number, samples: Int16Array): void {
    this.#track.advance(startSample, samples.length);
    this.#track.append(this.#frontEnd.process(samples));
    this.#writtenSample = startSample + samples.length;
    this.#clock?.heard(startSample, samples.length);
    if (this.#open) {
      this.#open.untoldSamples += samples.length;
      this.#wake();
    } else {
      this.#send({ type: 'consumed', stream: this.#stream, samples: samples.length });
      if (this.#queue.length === 0) this.#forget();
    }
  }

  begin(id: number, startSample: number): void {
    const segment = new Segment(id, startSample, this.#track);
    this.#open = segment;
    this.#queue.push(segment);
    if (!this.#searching) void this.#searchQueue();
  }

  /** Nothing was said for a while: the segment is searched up to here, until it ends or goes on. */
  pause(atSample: number): void {
    if (atSample === this.#writtenSample) this.#open?.pause(atSample, this.#track);
    this.#wake();
  }

  resume(): void {
    this.#open?.resume();
    this.#wake();
  }

  end(endSample: number): void {
    const segment = this.#open;
    if (!segment) return;
    this.#open = undefined;
    if (segment.end(endSample, this.#writtenSample, this.#track)) this.#drawnBack.add(segment);
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
    const work: Work = {
      segment,
      search: new SegmentSearch(decoder, this.#track, segment.startFrame),
      previousWord: this.#wordBefore(segment),
      estimate: this.#estimateOf(segment),
      shown: '',
      shownFrame: 0,
      searchMs: 0,
    };
    while (!segment.isEnded && !this.#closed) {
      // Taken before: what arrives while it looks is not to be waited for.
      const arrived = this.#arrived.promise;
      if (!(await this.#follow(work))) await arrived;
    }
    if (this.#drawnBack.has(segment)) {
      // The estimate may have seen what is not the segment's any more.
      this.#mean.restore(before);
      work.estimate = this.#estimateOf(segment);
    }
    work.estimate.take();
    if (!this.#closed) await this.#finish(work, this.#deciding(work), this.#limitFrame(segment));
    if (this.#closed) await work.search.cancel();
    else this.#settle(work);
  }

  #estimateOf(segment: Segment): MeanEstimate {
    return new MeanEstimate(this.#mean, segment, this.#track, this.#fallbackMean);
  }

  #wordBefore(segment: Segment): string | undefined {
    const word = this.#lastWord;
    return word && segment.startSample - word.endSample <= MAX_SENTENCE_PAUSE_SAMPLES ? word.text : undefined;
  }

  /** Does what there is to do for a segment that is still open; false if there is nothing. */
  async #follow(work: Work): Promise<boolean> {
    const { segment, search, estimate } = work;
    const taken = estimate.take() * SAMPLES_PER_FRAME;
    const mean = this.#isLikelyOver(work) ? this.#deciding(work) : estimate.following;
    if (!mean) {
      // Told before it is searched: a writer that waits for that would keep the speech back that the search waits for.
      this.#tellConsumed(segment, taken);
      return false;
    }
    const limitFrame = this.#limitFrame(segment);
    if (!search.isOf(mean, limitFrame)) {
      await this.#start(work, mean);
      return true;
    }
    if (search.isRunning && search.waitsFor(limitFrame, this.#worthwhileFrames(segment))) {
      await this.#turn(work, () => this.#advance(work, limitFrame));
      return true;
    }
    if (search.isRunning && this.#isLikelyOver(work)) {
      await this.#endSearch(work, limitFrame);
      return true;
    }
    return false;
  }

  /** A pause is searched up to at once: a final may be near. */
  #worthwhileFrames(segment: Segment): number {
    if (!this.#isShared || segment.limitFrame !== undefined) return BLOCK_FRAMES;
    return Math.min(MAX_TURN_FRAMES, SHARED_TURN_FRAMES * this.#decoders.leased);
  }

  #isLikelyOver(work: Work): boolean {
    const { heldSample } = work.segment;
    return heldSample !== undefined && (this.#writtenSample - heldSample) / SAMPLES_PER_MS >= this.#patienceMs(work);
  }

  /** A young segment is searched again for its end: at once, where the core is the lane's own. */
  #patienceMs({ segment, estimate }: Work): number {
    if (estimate.isYoung) return this.#isShared ? MAX_PATIENCE_MS : 0;
    if (!this.#hasRoom) return MAX_PATIENCE_MS;
    const passMs = (this.#limitFrame(segment) - segment.startFrame) * this.#passMsPerFrame;
    return Math.min(MAX_PATIENCE_MS, REST_OF_PAUSE_MS - passMs);
  }

  /** Others are searched on this core. */
  get #isShared(): boolean {
    return this.#decoders.leased > 1;
  }

  /** The core cannot become crowded, and this lane need not give way to others. */
  get #hasRoom(): boolean {
    return this.#clock !== undefined && this.#lanes() < CROWD;
  }

  async #start(work: Work, mean: Float32Array): Promise<void> {
    await this.#turn(work, () => work.search.start(this.#startOf(work, mean)));
  }

  /** What decides a segment of a young lane is searched together with what was said before. */
  #startOf({ estimate, previousWord }: Work, mean: Float32Array): SearchStart {
    const context = mean === estimate.following ? NO_CONTEXT : this.#context.cepstra;
    return { mean, context, previousWord: context.length === 0 ? previousWord : undefined };
  }

  /** Whose end is near, or there, comes before who speaks. */
  #turn(work: Work, search: () => Promise<void>): Promise<void> {
    return this.#turns.take(() => this.#timed(work, search), () => work.segment.limitFrame !== undefined);
  }

  async #timed(work: Work, search: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    await search();
    work.searchMs += performance.now() - startMs;
  }

  async #advance(work: Work, limitFrame: number): Promise<void> {
    const { segment, search } = work;
    const turnEnd = Math.min(limitFrame, search.frame + MAX_TURN_FRAMES);
    const frames = await search.advance(limitFrame, () => this.#closed || this.#turns.held, this.#isLate(segment, turnEnd));
    this.#tellConsumed(segment, frames * SAMPLES_PER_FRAME);
    if (segment.isEnded) this.#send({ type: 'searching', stream: this.#stream });
    if (!this.#closed && !segment.isEnded && search.frame >= work.shownFrame) this.#showInterim(work);
  }

  /** The segment is complete: its search is brought to its end, or made anew if what there is of it is not of use. */
  async #finish(work: Work, mean: Float32Array, endFrame: number): Promise<void> {
    const { search } = work;
    if (!search.isOf(mean, endFrame)) await this.#start(work, mean);
    while (search.isRunning && search.waitsFor(endFrame) && !this.#closed) await this.#turn(work, () => this.#advance(work, endFrame));
    if (search.isRunning && !this.#closed) await this.#endSearch(work, endFrame);
  }

  /** The second pass is left out of a search that is late. It waits for no turn where there is room: another core may be free. */
  async #endSearch(work: Work, endFrame: number): Promise<void> {
    const { search, segment, estimate } = work;
    const secondPass = !this.#isLate(segment, endFrame);
    const frames = endFrame - segment.startFrame;
    const end = async (): Promise<void> => {
      const startMs = performance.now();
      await search.end(endFrame, { secondPass });
      if (secondPass && !estimate.isYoung && frames >= MIN_MEASURED_FRAMES) this.#learnPass((performance.now() - startMs) / frames);
    };
    await (this.#hasRoom ? this.#timed(work, end) : this.#turn(work, end));
  }

  #learnPass(msPerFrame: number): void {
    this.#passMsPerFrame += (msPerFrame - this.#passMsPerFrame) / 4;
  }

  /** The mean that decides a segment's words: in a young lane another one than it was followed with, unless that search is late. */
  #deciding(work: Work): Float32Array {
    const { segment, estimate, search } = work;
    const { deciding, following } = estimate;
    return following && this.#isLate(segment, this.#limitFrame(segment)) && !search.isOf(deciding, this.#limitFrame(work.segment)) ? following : deciding;
  }

  /** The core cannot keep pace: it is crowded, and what ends at `frame` was said some time ago. */
  #isLate({ skippedSamples }: Segment, frame: number): boolean {
    if (!this.#clock || this.#decoders.leased < CROWD) return false;
    return this.#clock.lateMs(frame * SAMPLES_PER_FRAME + skippedSamples) > LATE_MS;
  }

  #limitFrame({ limitFrame }: Segment): number {
    return limitFrame ?? this.#track.endFrame;
  }

  #settle({ segment, search, searchMs, estimate }: Work): void {
    this.#mean.age();
    const endFrame = this.#limitFrame(segment);
    if (estimate.isYoung) this.#context.add(this.#track.slice(segment.startFrame, endFrame));
    else this.#context.clear();
    const words = laneWords(search.words(), segment, true);
    const last = words.at(-1);
    if (last) this.#lastWord = { text: last.text, endSample: last.endSample };
    this.#tellConsumed(segment, Infinity);
    const state: LaneState = { ...this.#mean.state(), lastWord: this.#lastWord, context: this.#context.parts };
    const speechMs = (endFrame - segment.startFrame) * MS_PER_FRAME;
    this.#send({ type: 'settled', stream: this.#stream, segment: segment.id, words, searched: { searchMs, speechMs }, state });
  }

  #tellConsumed(segment: Segment, atMost: number): void {
    const samples = Math.min(segment.untoldSamples, atMost);
    if (samples === 0) return;
    segment.untoldSamples -= samples;
    this.#send({ type: 'consumed', stream: this.#stream, samples });
  }

  #showInterim(work: Work): void {
    const words = laneWords(work.search.words(), work.segment, false);
    const text = words.map((word) => word.text).join(' ');
    if (text !== work.shown) this.#send({ type: 'interim', stream: this.#stream, segment: work.segment.id, words });
    work.shown = text;
    work.shownFrame = work.search.frame;
  }

  #forget(): void {
    this.#track.forgetBefore(this.#track.endFrame - KEPT_SAMPLES / SAMPLES_PER_FRAME);
  }

  #wake(): void {
    const { resolve } = this.#arrived;
    this.#arrived = Promise.withResolvers<void>();
    resolve();
  }

  #free(): void {
    this.#frontEnd.free();
  }
}

/** A segment's words in lane samples. */
function laneWords(words: readonly DecodedWord[], { startFrame, skippedSamples }: Segment, isSettled: boolean): SettledWord[] {
  const toSample = (frame: number): number => (startFrame + frame) * SAMPLES_PER_FRAME + skippedSamples;
  return words.map((word) => ({
    text: word.text,
    startSample: toSample(word.startFrame),
    endSample: toSample(word.endFrame + 1),
    ...(isSettled && { confidence: word.confidence }),
  }));
}
