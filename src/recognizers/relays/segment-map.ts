import { laneWords, toUpstreamSample, type SentStretch, type UpstreamWord } from './lane-words.ts';
import type { Word } from '../../core/transcript.ts';

/** A segment as the upstream was given it: its audio follows right after that of the one before. */
export class SentSegment implements SentStretch {
  readonly upstreamStart: number;
  readonly startSample: number;
  /** Set when the lane ends the segment; until then what was sent so far. */
  endSample: number;
  ended = false;
  /** The lane ended it before what was already sent: the rest is heard again, and belongs to the next. */
  isCut = false;
  readonly #finals: UpstreamWord[] = [];
  #interims: readonly UpstreamWord[] = [];

  constructor(upstreamStart: number, startSample: number) {
    this.upstreamStart = upstreamStart;
    this.startSample = startSample;
    this.endSample = startSample;
  }

  get upstreamEnd(): number {
    return this.upstreamStart + this.endSample - this.startSample;
  }

  get isEmpty(): boolean {
    return this.endSample <= this.startSample;
  }

  hear(words: readonly UpstreamWord[], isFinal: boolean): void {
    if (isFinal) {
      this.#finals.push(...words);
      this.#interims = [];
    } else {
      this.#interims = words;
    }
  }

  /** Settled words. */
  settled(): Word[] {
    return laneWords(this.#finals, this);
  }

  /** What was heard so far, without confidences. */
  heard(): Word[] {
    return laneWords([...this.#finals, ...this.#interims], this).map(({ text, startSample, endSample, untimed }) => ({ text, startSample, endSample, ...(untimed && { untimed }) }));
  }
}

/**
 * Gives each word to the segment that holds its middle. Words of a segment that was cut short, after the cut, are nobody's:
 * that audio was sent again.
 */
export function distribute(words: readonly UpstreamWord[], segments: readonly SentSegment[]): Map<SentSegment, UpstreamWord[]> {
  const shares = new Map<SentSegment, UpstreamWord[]>();
  for (const word of words) {
    const middle = toUpstreamSample((word.startSeconds + word.endSeconds) / 2);
    const segment = segments.findLast(({ upstreamStart }) => middle >= upstreamStart);
    if (!segment || (segment.isCut && middle >= segment.upstreamEnd)) continue;
    shares.set(segment, [...(shares.get(segment) ?? []), word]);
  }
  return shares;
}
