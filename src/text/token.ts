import type { SpeakerLabel, Word } from '../core/transcript.ts';

/** A word's text without what surrounds it, in lower case: `"Twenty-three,` is `twenty-three`. */
export function bare(text: string): string {
  return text.toLowerCase().replace(/^[^\p{L}\p{N}$€£]+|[^\p{L}\p{N}%]+$/gu, '');
}

/** What follows the word proper: a comma, a full stop. */
export function trailing(text: string): string {
  return /[.,!?;:]+$/.exec(text)?.[0] ?? '';
}

/** Several words as one, with the time of all, the mean of their confidences, and the speaker of the first. */
export function merged(words: readonly Word[], text: string): Word {
  const first = words[0];
  const last = words.at(-1);
  if (!first || !last) throw new RangeError('nothing to merge');
  const confidences = words.flatMap((word) => word.confidence ?? []);
  const speaker: SpeakerLabel | undefined = first.speaker;
  return {
    text,
    startSample: first.startSample,
    endSample: last.endSample,
    ...(confidences.length === words.length && { confidence: confidences.reduce((sum, value) => sum + value, 0) / confidences.length }),
    ...(speaker && { speaker }),
    ...(words.some((word) => word.untimed) && { untimed: true as const }),
  };
}
