import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import type { Word } from '../../core/transcript.ts';

/** A word as an upstream tells it; seconds of the audio that the upstream was given. */
export interface UpstreamWord {
  readonly text: string;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly confidence?: number;
  /** The times are those of the stretch that the word lies in: the upstream gives none for the word. */
  readonly untimed?: true;
}

/** Where audio that was sent lies in the lane. */
export interface SentStretch {
  /** Upstream sample at which it starts. */
  readonly upstreamStart: number;
  readonly startSample: number;
  readonly endSample: number;
}

export const toUpstreamSample = (seconds: number): number => Math.round(seconds * SAMPLE_RATE_HZ);

/**
 * The words of one stretch in lane samples: inside the stretch, in order, none of no length, whatever the upstream says.
 * What stands between blanks is a word: text that came with one time for several is marked as untimed.
 */
export function laneWords(words: readonly UpstreamWord[], stretch: SentStretch): Word[] {
  const result: Word[] = [];
  let earliest = stretch.startSample;
  const toLane = (seconds: number): number => stretch.startSample + toUpstreamSample(seconds) - stretch.upstreamStart;
  for (const { text, startSeconds, endSeconds, confidence, untimed } of words) {
    const parts = text.split(/\s+/).filter((part) => part !== '');
    const startSample = Math.min(stretch.endSample - 1, Math.max(earliest, toLane(startSeconds)));
    const endSample = Math.min(stretch.endSample, Math.max(startSample + 1, toLane(endSeconds)));
    if (parts.length === 0 || startSample < stretch.startSample) continue;
    earliest = startSample;
    const shared = untimed === true || parts.length > 1;
    for (const part of parts) {
      result.push({
        text: part,
        startSample,
        endSample,
        ...(confidence !== undefined && { confidence: Math.min(1, Math.max(0, confidence)) }),
        ...(shared && { untimed: true }),
      });
    }
  }
  return result;
}

/** Text with one time for all of it. */
export function untimedWords(text: string, startSeconds: number, endSeconds: number): UpstreamWord[] {
  return text.trim() === '' ? [] : [{ text, startSeconds, endSeconds, untimed: true }];
}
