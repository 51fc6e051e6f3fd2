/** How far a transcript is from the words that were spoken. */
export interface WordErrors {
  /** Words in the reference. */
  readonly referenceWords: number;
  readonly substitutions: number;
  /** Words heard that were not spoken. */
  readonly insertions: number;
  /** Words spoken that were not heard. */
  readonly deletions: number;
  /** All errors over the reference's words; more than 1 if more was invented than spoken. 0 if both are empty, Infinity if only the reference is. */
  readonly rate: number;
}

/** Compares by the smallest number of word edits (Levenshtein), after {@link normalizeWords} on both sides. */
export function wordErrors(reference: string, hypothesis: string): WordErrors {
  const spoken = normalizeWords(reference);
  const heard = normalizeWords(hypothesis);
  const { substitutions, insertions, deletions } = countEdits(spoken, heard);
  const errors = substitutions + insertions + deletions;
  return { referenceWords: spoken.length, substitutions, insertions, deletions, rate: errors === 0 ? 0 : errors / spoken.length };
}

/** Adds up several comparisons, so that long texts weigh more than short ones. */
export function sumErrors(parts: readonly WordErrors[]): WordErrors {
  const total = (pick: (part: WordErrors) => number): number => parts.reduce((sum, part) => sum + pick(part), 0);
  const substitutions = total((part) => part.substitutions);
  const insertions = total((part) => part.insertions);
  const deletions = total((part) => part.deletions);
  const referenceWords = total((part) => part.referenceWords);
  const errors = substitutions + insertions + deletions;
  return { referenceWords, substitutions, insertions, deletions, rate: errors === 0 ? 0 : errors / referenceWords };
}

/** The words as an engine would write them: lower case, no punctuation but apostrophes inside words, numbers and abbreviations spelled out. */
export function normalizeWords(text: string): string[] {
  const plain = text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[’‘ʼ`]/g, "'")
    .replaceAll(/(?<=\d),(?=\d{3}(?!\p{N}))/gu, '')
    .replaceAll(/(?<![\p{L}\p{N}])\d+(\.\d+)?(st|nd|rd|th)?(?![\p{L}\p{N}])/gu, (number) => ` ${spellNumber(number)} `)
    .replaceAll('%', ' percent ')
    .replaceAll('&', ' and ')
    .replaceAll(/[^\p{L}\p{N}']+/gu, ' ');
  return plain
    .split(' ')
    .map((word) => word.replaceAll(/^'+|'+$/g, ''))
    .filter((word) => word !== '')
    .map((word) => ABBREVIATIONS.get(word) ?? word);
}

const ABBREVIATIONS = new Map([
  ['mr', 'mister'],
  ['mrs', 'missus'],
  ['dr', 'doctor'],
  ['prof', 'professor'],
  ['vs', 'versus'],
  ['ok', 'okay'],
]);

const ONES = 'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' ');
const TENS = 'zero ten twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const SCALES: readonly (readonly [number, string])[] = [
  [1_000_000_000, 'billion'],
  [1_000_000, 'million'],
  [1000, 'thousand'],
  [100, 'hundred'],
];
const ORDINALS = new Map([
  ['one', 'first'],
  ['two', 'second'],
  ['three', 'third'],
  ['five', 'fifth'],
  ['eight', 'eighth'],
  ['nine', 'ninth'],
  ['twelve', 'twelfth'],
]);
const MAX_SPELLED = 1e12;

/** `42` -> forty two, `3.14` -> three point one four, `21st` -> twenty first. What is too long to be a quantity is read digit by digit. */
function spellNumber(number: string): string {
  const [whole = '', fraction] = number.replace(/\D+$/, '').split('.');
  const value = Number(whole);
  const digits = (text: string): string => Array.from(text, (digit) => ONES[Number(digit)]).join(' ');
  const spelled = value >= MAX_SPELLED || /^0\d/.test(whole) ? digits(whole) : spellInteger(value);
  if (fraction !== undefined) return `${spelled} point ${digits(fraction)}`;
  return /\D$/.test(number) ? toOrdinal(spelled) : spelled;
}

function spellInteger(value: number): string {
  if (value < 20) return ONES[value]!;
  if (value < 100) return joinParts(TENS[Math.floor(value / 10)]!, value % 10);
  const [size, name] = SCALES.find(([each]) => value >= each)!;
  return joinParts(`${spellInteger(Math.floor(value / size))} ${name}`, value % size);
}

function joinParts(head: string, rest: number): string {
  return rest === 0 ? head : `${head} ${spellInteger(rest)}`;
}

function toOrdinal(spelled: string): string {
  return spelled.replace(/\w+$/, (last) => ORDINALS.get(last) ?? `${last.replace(/y$/, 'ie')}th`);
}

interface Edits {
  readonly substitutions: number;
  readonly insertions: number;
  readonly deletions: number;
}

/** Levenshtein row by row; each cell carries the kinds of edits on its cheapest path. Substitution wins a tie. */
function countEdits(spoken: readonly string[], heard: readonly string[]): Edits {
  let row: Edits[] = Array.from({ length: heard.length + 1 }, (_, insertions) => ({ substitutions: 0, insertions, deletions: 0 }));
  for (const word of spoken) {
    const above = row;
    row = [{ ...above[0]!, deletions: above[0]!.deletions + 1 }];
    for (const [column, other] of heard.entries()) {
      const diagonal = above[column]!;
      const kept = word === other ? diagonal : { ...diagonal, substitutions: diagonal.substitutions + 1 };
      const deleted = { ...above[column + 1]!, deletions: above[column + 1]!.deletions + 1 };
      const inserted = { ...row[column]!, insertions: row[column]!.insertions + 1 };
      row.push([kept, deleted, inserted].reduce((best, each) => (costOf(each) < costOf(best) ? each : best)));
    }
  }
  return row.at(-1)!;
}

function costOf({ substitutions, insertions, deletions }: Edits): number {
  return substitutions + insertions + deletions;
}
