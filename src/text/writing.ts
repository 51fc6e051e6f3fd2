import type { TextOptions, Writing } from '../core/text-options.ts';
import { textOf, type Word } from '../core/transcript.ts';
import { withNumerals } from './numerals.ts';
import { plainly } from './plain.ts';
import { Redactor } from './redaction.ts';
import { spelledAs } from './spelling.ts';
import { bare } from './token.ts';
import { preferring } from './vocabulary.ts';

/** Mild and strong alike; only whole words. */
const PROFANITIES = new Set(['arse', 'arsehole', 'asshole', 'bastard', 'bitch', 'bollocks', 'bullshit', 'cock', 'cunt', 'dick', 'dickhead', 'fuck', 'fucked', 'fucker', 'fucking', 'goddamn', 'motherfucker', 'piss', 'prick', 'pussy', 'shit', 'shitty', 'slut', 'twat', 'wanker', 'whore']);

/**
 * The way from heard words to written ones, for one session. What must not be seen goes from interims too; numbers are written in finals only, because
 * an interim's last number may not be whole yet.
 */
export function createWriting(options: TextOptions): Writing {
  const plain = options.withoutPunctuation === true || options.lowerCase === true ? plainly(options) : undefined;
  const prefer = options.vocabulary && options.vocabulary.length > 0 ? preferring(options.vocabulary) : undefined;
  const spell = options.spelling && options.spelling.length > 0 ? spelledAs(options.spelling) : undefined;
  const redactor = options.redact && options.redact.length > 0 ? new Redactor(options.redact) : undefined;
  return (utterance, isFinal) => {
    let { words } = utterance;
    if (plain) words = plain(words);
    if (prefer) words = prefer(words);
    if (spell) words = spell(words);
    if (redactor) words = redactor.redact(words, isFinal);
    if (options.numerals === true && isFinal) words = withNumerals(words);
    if (options.profanityFilter === true) words = words.map(masked);
    if (words === utterance.words) return utterance;
    return { ...utterance, words, text: textOf(words), stableWords: isFinal ? words.length : Math.min(utterance.stableWords, words.length), settledWords: isFinal ? words.length : 0 };
  };
}

function masked(word: Word): Word {
  const spoken = bare(word.text);
  return PROFANITIES.has(spoken) ? { ...word, text: `${word.text.slice(0, 1)}${'*'.repeat(spoken.length - 1)}` } : word;
}
