import type { TextOptions } from '../core/text-options.ts';
import type { Word } from '../core/transcript.ts';

/** Around a word; what stands inside one (`don't`, `3.5`, `twenty-three`) is the word's own. */
const AROUND = /^[¿¡"“”„«(\[]+|[.,!?;:…"“”»)\]。，！？；：、]+$/gu;

/** Takes away what an engine has put in and nobody asked for: punctuation, capitals. A word that was nothing else goes. The same array where nothing is to be done. */
export function plainly({ withoutPunctuation = false, lowerCase = false }: TextOptions): (words: readonly Word[]) => readonly Word[] {
  const plain = (text: string): string => {
    const stripped = withoutPunctuation ? text.replace(AROUND, '') : text;
    return lowerCase ? stripped.toLowerCase() : stripped;
  };
  return (words) => {
    const texts = words.map(({ text }) => plain(text));
    if (texts.every((text, index) => text === words[index]?.text)) return words;
    return words.flatMap((word, index) => (texts[index] ? [{ ...word, text: texts[index] }] : []));
  };
}
