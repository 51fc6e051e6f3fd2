import type { RecognizerStream } from '../../core/recognizer.ts';
import { textOf, type Word } from '../../core/transcript.ts';

/** Adds marks to a text, and perhaps capitals; changes nothing else. */
export type Punctuate = (text: string) => string;

const MARK = /[\p{P}\p{S}]/u;
const ENDS_WITH_MARK = /[.,!?;:。，！？；：、]$/;

/** Words with the marks and capitals of `text`. The words themselves where `text` is not made of them, or they had marks already. */
export function punctuated(words: readonly Word[], text: string): readonly Word[] {
  if (words.some((word) => ENDS_WITH_MARK.test(word.text))) return words;
  const marked: Word[] = [];
  let at = 0;
  for (const word of words) {
    while (/\s/.test(text[at] ?? '')) at += 1;
    const found = text.slice(at, at + word.text.length);
    if (found.toLowerCase() !== word.text.toLowerCase()) return words;
    let end = at + word.text.length;
    while (MARK.test(text[end] ?? '')) end += 1;
    marked.push({ ...word, text: text.slice(at, end) });
    at = end;
  }
  return text.slice(at).trim() === '' ? marked : words;
}

/** The stream, with marks in its finals. Interims have none: they would come and go. */
export function punctuating(stream: RecognizerStream, punctuate: Punctuate): RecognizerStream {
  return {
    write: (frame) => stream.write(frame),
    beginSegment: (startSample) => {
      stream.beginSegment(startSample);
    },
    endSegment: async (endSample) => {
      const words = await stream.endSegment(endSample);
      return words.length === 0 ? words : punctuated(words, punctuate(textOf(words)));
    },
    close: () => stream.close(),
  };
}
