/** A run of words that says one number. */
export interface SpokenNumber {
  /** Words taken, from 1. */
  readonly length: number;
  /** As it is written: `415`, `2026`, `3.14`, `1000000`. Digits that were said one by one keep their zeros: `007`. */
  readonly digits: string;
  /** Said digit by digit or in pairs, as telephone and card numbers are. */
  readonly isDigitString: boolean;
  /** `21st`: the ending of an ordinal. */
  readonly ordinal?: string;
}

const DIGITS = new Map(['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'].map((word, value) => [word, value]));
const TEENS = new Map(['ten', 'eleven', 'twelve', 'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen'].map((word, index) => [word, 10 + index]));
const TENS = new Map(['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'].map((word, index) => [word, 20 + 10 * index]));
const SCALES = new Map([
  ['thousand', 1000],
  ['million', 1_000_000],
  ['billion', 1_000_000_000],
  ['trillion', 1_000_000_000_000],
]);
const ORDINALS = new Map([
  ...['zeroth', 'first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth', 'eleventh', 'twelfth'].map((word, value) => [word, value] as const),
  ...['thirteenth', 'fourteenth', 'fifteenth', 'sixteenth', 'seventeenth', 'eighteenth', 'nineteenth'].map((word, index) => [word, 13 + index] as const),
  ...['twentieth', 'thirtieth', 'fortieth', 'fiftieth', 'sixtieth', 'seventieth', 'eightieth', 'ninetieth'].map((word, index) => [word, 20 + 10 * index] as const),
]);

/** The longest spoken number at the head of `words` (bare, lower case); undefined where none begins. English. */
export function spokenNumber(words: readonly string[]): SpokenNumber | undefined {
  const digitString = digitByDigit(words);
  const cardinal = decimal(words) ?? year(words) ?? whole(words);
  if (!digitString) return cardinal;
  return cardinal && cardinal.length >= digitString.length ? cardinal : digitString;
}

/** `four one five`, `oh seven`, `double three`, and digits that are written already. At least two spoken digits. */
function digitByDigit(words: readonly string[]): SpokenNumber | undefined {
  let digits = '';
  let length = 0;
  for (let word = words[0]; word !== undefined; word = words[length]) {
    const repeat = word === 'double' ? 2 : word === 'triple' ? 3 : 1;
    const said = repeat > 1 ? words[length + 1] : word;
    const digit = said === 'oh' || said === 'o' ? '0' : (DIGITS.get(said ?? '')?.toString() ?? (/^\d+$/.test(said ?? '') ? said : undefined));
    if (digit === undefined || (repeat > 1 && digit.length > 1)) break;
    // A letter that is called like the digit is one only among digits.
    const next = words[length + (repeat > 1 ? 2 : 1)] ?? '';
    if (digits === '' && (said === 'oh' || said === 'o') && DIGITS.get(next) === undefined) break;
    digits += digit.repeat(repeat);
    length += repeat > 1 ? 2 : 1;
  }
  return length >= 2 || digits.length >= 2 ? { length, digits, isDigitString: true } : undefined;
}

/** `three point one four`. */
function decimal(words: readonly string[]): SpokenNumber | undefined {
  const before = whole(words);
  if (!before || before.ordinal !== undefined || words[before.length] !== 'point') return undefined;
  let digits = '';
  let length = before.length + 1;
  for (let digit = digitOf(words[length]); digit !== undefined; digit = digitOf(words[length])) {
    digits += String(digit);
    length += 1;
  }
  return digits === '' ? undefined : { length, digits: `${before.digits}.${digits}`, isDigitString: false };
}

const digitOf = (word: string | undefined): number | undefined => (word === 'oh' ? 0 : DIGITS.get(word ?? ''));

/** `nineteen eighty four`, `twenty twenty six`, `twenty oh five`: two pairs. */
function year(words: readonly string[]): SpokenNumber | undefined {
  const century = belowHundred(words, 0);
  if (!century || century.value < 10 || century.length > 1) return undefined;
  const rest = words.slice(century.length);
  if (rest[0] === 'oh' && DIGITS.has(rest[1] ?? '')) return { length: century.length + 2, digits: `${String(century.value)}0${String(DIGITS.get(rest[1] ?? ''))}`, isDigitString: false };
  const tail = belowHundred(rest, 0);
  // "twenty five" is a number, "twenty fifteen" a year.
  if (!tail || tail.value < 10) return undefined;
  return { length: century.length + tail.length, digits: `${String(century.value)}${String(tail.value)}`, isDigitString: false };
}

/** Cardinals and ordinals with `hundred` and the scales, `and` in between. */
function whole(words: readonly string[]): SpokenNumber | undefined {
  let total = 0;
  let length = 0;
  let lastScale = Infinity;
  let ordinal = false;
  for (;;) {
    const at = length > 0 && words[length] === 'and' ? length + 1 : length;
    const group = belowThousand(words, at);
    if (!group) break;
    const scaleWord = words[at + group.length] ?? '';
    const scale = SCALES.get(scaleWord) ?? SCALES.get(scaleWord.replace(/th$/, '')) ?? 1;
    if (scale >= lastScale || (at > length && scale !== 1 && lastScale === Infinity)) break;
    // "twenty thousand" and then nothing but smaller groups; "and" joins only what belongs to a larger group.
    if (length > 0 && lastScale === 1) break;
    total += group.value * scale;
    length = at + group.length + (scale > 1 ? 1 : 0);
    ordinal = group.ordinal || (scale > 1 && scaleWord.endsWith('th'));
    lastScale = scale;
    if (scale === 1 || ordinal) break;
  }
  if (length === 0) return undefined;
  return { length, digits: String(total), isDigitString: false, ...(ordinal && { ordinal: endingOf(total) }) };
}

interface Group {
  readonly value: number;
  readonly length: number;
  readonly ordinal: boolean;
}

function belowThousand(words: readonly string[], at: number): Group | undefined {
  const article = words[at] === 'a' && /^(hundred|thousand|million|billion)/.test(words[at + 1] ?? '');
  const head = article ? { value: 1, length: 1, ordinal: false } : belowHundred(words, at);
  if (!head || head.ordinal) return head;
  const hundred = words[at + head.length];
  if (hundred === 'hundredth') return { value: head.value * 100, length: head.length + 1, ordinal: true };
  if (hundred !== 'hundred' || head.value >= 100) return head;
  const length = head.length + 1;
  const joined = words[at + length] === 'and' ? length + 1 : length;
  const rest = belowHundred(words, at + joined);
  return rest ? { value: head.value * 100 + rest.value, length: joined + rest.length, ordinal: rest.ordinal } : { value: head.value * 100, length, ordinal: false };
}

function belowHundred(words: readonly string[], at: number): Group | undefined {
  const word = words[at] ?? '';
  const [head = '', joined] = word.split('-');
  const tens = TENS.get(head);
  const next = joined ?? words[at + 1] ?? '';
  const used = joined === undefined ? 2 : 1;
  if (tens !== undefined) {
    const unit = DIGITS.get(next);
    if (unit !== undefined && unit > 0) return { value: tens + unit, length: used, ordinal: false };
    const ordinal = ORDINALS.get(next);
    if (ordinal !== undefined && ordinal > 0 && ordinal < 10) return { value: tens + ordinal, length: used, ordinal: true };
    return joined === undefined ? { value: tens, length: 1, ordinal: false } : undefined;
  }
  const plain = DIGITS.get(word) ?? TEENS.get(word) ?? (/^\d{1,2}$/.test(word) ? Number(word) : undefined);
  if (plain !== undefined) return { value: plain, length: 1, ordinal: false };
  const ordinal = ORDINALS.get(word);
  return ordinal === undefined ? undefined : { value: ordinal, length: 1, ordinal: true };
}

function endingOf(value: number): string {
  const hundred = value % 100;
  if (hundred >= 11 && hundred <= 13) return 'th';
  return { 1: 'st', 2: 'nd', 3: 'rd' }[value % 10] ?? 'th';
}
