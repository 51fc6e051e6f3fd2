import { BLOCK_FRAMES, type CepstraTrack } from './cepstra-track.ts';
import { CEPSTRUM_SIZE, type Decoder, type DecodedWord } from './library.ts';

/** Frames of one turn: others wait meanwhile, and more would hardly save more. */
export const MAX_TURN_FRAMES = 100;

/** What there is to search a segment with. */
export interface SearchStart {
  readonly mean: Float32Array;
  /** Cepstra of what was said before, which are searched with it; their words are not the segment's. */
  readonly context: Float32Array;
  /** What was said right before context and segment, if anything. */
  readonly previousWord: string | undefined;
}

/** What a segment's search needs of a decoder. */
export type SegmentDecoder = Pick<Decoder, 'start' | 'process' | 'end' | 'words'>;

/**
 * The search of one segment in a decoder that is its own for so long. Frames go in blocks counted from the segment's start, so that the words
 * do not depend on when they came; whoever wants to go on after the end, or with another mean, starts over.
 */
export class SegmentSearch {
  readonly #decoder: SegmentDecoder;
  readonly #track: CepstraTrack;
  readonly #startFrame: number;
  /** Less than the segment's first while the context is searched. */
  #frame: number;
  #mean: Float32Array | undefined;
  #context: Float32Array = new Float32Array(0);
  #endedFrame: number | undefined;

  constructor(decoder: SegmentDecoder, track: CepstraTrack, startFrame: number) {
    this.#decoder = decoder;
    this.#track = track;
    this.#startFrame = startFrame;
    this.#frame = startFrame;
  }

  /** First frame that the search has not seen. */
  get frame(): number {
    return this.#frame;
  }

  get isRunning(): boolean {
    return this.#mean !== undefined && this.#endedFrame === undefined;
  }

  /** The search was ended there. */
  get endedFrame(): number | undefined {
    return this.#endedFrame;
  }

  /** Can what was searched with this mean, up to `limitFrame` at most, still be used? */
  isOf(mean: Float32Array, limitFrame: number): boolean {
    return this.#mean === mean && this.#frame <= limitFrame && (this.#endedFrame === undefined || this.#endedFrame === limitFrame);
  }

  async start({ mean, context, previousWord }: SearchStart): Promise<void> {
    await this.#discard();
    this.#decoder.start(mean, previousWord);
    this.#mean = mean;
    this.#context = context;
    this.#frame = this.#startFrame - this.#contextFrames;
    this.#endedFrame = undefined;
  }

  /** So many frames wait before `limitFrame`. Default: a block. */
  waitsFor(limitFrame: number, frames: number = BLOCK_FRAMES): boolean {
    return limitFrame - this.#frame >= frames;
  }

  /**
   * One turn: the whole blocks before `limitFrame` that wait, at least one, up to a second of them, or until it is cut; answers how many frames of
   * the segment. `narrow`: in haste, with more errors.
   */
  async advance(limitFrame: number, isCut: () => boolean, narrow: boolean): Promise<number> {
    const from = this.#frame;
    do await this.#feed(this.#frame + BLOCK_FRAMES, narrow);
    while (this.waitsFor(limitFrame) && this.#frame - from < MAX_TURN_FRAMES && !isCut());
    return Math.max(0, this.#frame - Math.max(from, this.#startFrame));
  }

  /** The rest before `endFrame`, less than a block, and the end, with or without a second pass: the words are settled then. */
  async end(endFrame: number, passes: { secondPass: boolean }): Promise<void> {
    if (this.#frame < endFrame) await this.#feed(endFrame, false);
    await this.#decoder.end(passes);
    this.#endedFrame = endFrame;
  }

  /** Gives the search up, where it runs. */
  async cancel(): Promise<void> {
    await this.#discard();
    this.#endedFrame = this.#frame;
  }

  /** The segment's words, in frames from its start. */
  words(): DecodedWord[] {
    const words = this.#decoder.words();
    const skipped = this.#contextFrames;
    if (skipped === 0) return words;
    return words
      .filter(({ startFrame, endFrame }) => (startFrame + endFrame) / 2 >= skipped)
      .map((word) => ({ ...word, startFrame: Math.max(0, word.startFrame - skipped), endFrame: word.endFrame - skipped }));
  }

  async #discard(): Promise<void> {
    if (this.isRunning) await this.#decoder.end({ secondPass: false });
  }

  get #contextFrames(): number {
    return this.#context.length / CEPSTRUM_SIZE;
  }

  async #feed(toFrame: number, narrow: boolean): Promise<void> {
    const contextStart = this.#startFrame - this.#contextFrames;
    const ofContext = this.#context.subarray((this.#frame - contextStart) * CEPSTRUM_SIZE, (toFrame - contextStart) * CEPSTRUM_SIZE);
    if (ofContext.length > 0) await this.#decoder.process(ofContext, { narrow });
    if (toFrame > this.#startFrame) await this.#decoder.process(this.#track.slice(Math.max(this.#frame, this.#startFrame), toFrame), { narrow });
    this.#frame = toFrame;
  }
}
