import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import type { Word } from '../../core/transcript.ts';

/** A result of either kind of recognizer. */
export interface TokenResult {
  readonly text: string;
  readonly tokens: readonly string[];
  /** Seconds from the start of the stretch, one per token, or none. */
  readonly timestamps: readonly number[];
  readonly durations?: readonly number[] | undefined;
  /** Natural logarithms, one per token, or none. */
  readonly logProbs?: readonly number[] | undefined;
}

/** How a vocabulary marks where words begin. */
export type WordMarks =
  /** A word's first token begins with a blank (SentencePiece's `▁`, which sherpa-onnx turns into one). */
  | 'leading-blank'
  /** A token that ends with `@@` goes on in the next one (subword-nmt, as Paraformer has it). */
  | 'trailing-at';

/** A token is heard until the next begins, and not longer than this. */
const MAX_TOKEN_SECONDS = 0.4;
const MIN_WORD_SAMPLES = SAMPLE_RATE_HZ / 50;
/** Scripts whose words are not set apart by blanks: each character is a word here, with a time of its own. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const PUNCTUATION = /^[\p{P}\p{S}ー]+$/u;
const TAG = /^(<unk>|<blk>|<s>|<\/s>|<\|.*\|>)$/;
const BYTE = /^<0x([0-9A-F]{2})>$/;

interface Piece {
  text: string;
  startsWord: boolean;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly logProb: number | undefined;
}

/**
 * The words of a stretch of `lengthSamples`, at positions from its start. Confidence is the geometric mean of the probabilities of a word's
 * tokens, where the model gives them. Without token times, or where tokens are no text of their own, a word is somewhere in the stretch.
 */
export function wordsOf(result: TokenResult, lengthSamples: number, marks: WordMarks = 'leading-blank'): Word[] {
  const pieces = piecesOf(result, marks);
  const spelled = pieces?.map(({ text }) => text).join('') ?? '';
  if (!pieces || bare(spelled) !== bare(result.text)) return untimedWords(result.text, lengthSamples);
  const groups: Piece[][] = [];
  for (const piece of pieces) {
    const before = groups.at(-1);
    if (before && !beginsWord(piece, before.at(-1))) before.push(piece);
    else groups.push([piece]);
  }
  return groups.flatMap((group) => wordOf(group, lengthSamples) ?? []);
}

/** Words of a text whose times nobody told: each spans the whole stretch. */
function untimedWords(text: string, lengthSamples: number): Word[] {
  return [...text.matchAll(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}][\p{P}ー]*|[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+/gu)].map(([word]) => ({
    text: word,
    startSample: 0,
    endSample: lengthSamples,
    untimed: true,
  }));
}

/** Undefined where tokens have no times, or cannot be told from each other. */
function piecesOf({ tokens, timestamps, durations, logProbs }: TokenResult, marks: WordMarks): Piece[] | undefined {
  if (timestamps.length !== tokens.length) return undefined;
  const pieces: Piece[] = [];
  let bytes: number[] = [];
  let startsWord = true;
  for (const [index, token] of tokens.entries()) {
    if (TAG.test(token)) continue;
    if (token.includes('\ufffd') || /\s/.test(token.trim())) return undefined;
    const startSeconds = timestamps[index] ?? 0;
    const duration = durations?.length === tokens.length ? durations[index] : undefined;
    const heardUntil = startSeconds + (duration !== undefined && duration > 0 ? duration : MAX_TOKEN_SECONDS);
    const endSeconds = Math.min(heardUntil, Math.max(timestamps[index + 1] ?? Infinity, startSeconds));
    const logProb = logProbs?.length === tokens.length ? logProbs[index] : undefined;
    const byte = BYTE.exec(token)?.[1];
    // A character in several tokens, one per byte of its UTF-8.
    bytes = byte === undefined ? [] : [...bytes, Number.parseInt(byte, 16)];
    const text = byte === undefined ? token : (utf8(bytes) ?? '');
    if (byte !== undefined && text !== '') bytes = [];
    const goesOn = marks === 'trailing-at' && text.endsWith('@@');
    pieces.push({ text: goesOn ? text.slice(0, -2) : text, startsWord: startsWord || /^\s/.test(text), startSeconds, endSeconds, logProb });
    startsWord = marks === 'trailing-at' ? !goesOn : /^\s+$/.test(text);
  }
  return pieces;
}

function beginsWord(piece: Piece, before: Piece | undefined): boolean {
  const text = piece.text.trim();
  if (text === '' || PUNCTUATION.test(text)) return piece.startsWord && text !== '' && !/^[\p{P}]+$/u.test(text);
  return piece.startsWord || UNSPACED.test(text) || UNSPACED.test(before?.text ?? '');
}

function wordOf(pieces: readonly Piece[], lengthSamples: number): Word | undefined {
  const spoken = pieces.filter(({ text }) => text.trim() !== '');
  const [first] = spoken;
  const last = spoken.at(-1);
  if (!first || !last) return undefined;
  const text = pieces.map((piece) => piece.text.trim()).join('');
  const startSample = Math.min(Math.round(first.startSeconds * SAMPLE_RATE_HZ), Math.max(0, lengthSamples - 1));
  const endSample = Math.max(startSample + MIN_WORD_SAMPLES, Math.round(last.endSeconds * SAMPLE_RATE_HZ));
  const logProbs = spoken.flatMap(({ logProb }) => logProb ?? []);
  const known = logProbs.length === spoken.length;
  const mean = logProbs.reduce((sum, each) => sum + each, 0) / spoken.length;
  return { text, startSample, endSample, ...(known && { confidence: Math.min(1, Math.exp(mean)) }) };
}

function utf8(bytes: readonly number[]): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

const bare = (text: string): string => text.replace(/\s+/g, '');
