import { EarshotError } from '../core/errors.ts';
import { textOf, type Utterance } from '../core/transcript.ts';

/** An utterance with its number among all, from 1: so the model names it. */
export interface NumberedUtterance {
  readonly number: number;
  readonly utterance: Utterance;
  readonly text: string;
}

/** More would take too long, and cost too much. A day of speech has a fifth of it. */
const MAX_CHARS = 5_000_000;

/** Utterances that were something. Throws `MESSAGE_TOO_LARGE`. */
export function numbered(utterances: readonly Utterance[]): NumberedUtterance[] {
  const spoken = utterances.map((utterance) => ({ utterance, text: textOf(utterance.words) })).filter(({ text }) => text !== '');
  if (spoken.reduce((sum, { text }) => sum + text.length, 0) > MAX_CHARS) throw new EarshotError('MESSAGE_TOO_LARGE', 'The text is too long for the language model.');
  return spoken.map((each, index) => ({ ...each, number: index + 1 }));
}

/** Cuts the whole into pieces of so many characters at most; a single longer utterance is a piece of its own. */
export function pieces(utterances: readonly NumberedUtterance[], maxChars: number): NumberedUtterance[][] {
  const cut: NumberedUtterance[][] = [];
  let chars = 0;
  for (const each of utterances) {
    if (cut.length === 0 || chars + each.text.length > maxChars) {
      cut.push([]);
      chars = 0;
    }
    cut.at(-1)!.push(each);
    chars += each.text.length;
  }
  return cut;
}
