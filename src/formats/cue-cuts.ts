import type { WrittenWord } from './turns.ts';

/** What a cue may be. */
export interface CueLimits {
  /** Characters in a line; only a single word may be longer. */
  readonly maxLineChars: number;
  /** One or two. */
  readonly maxLines: 1 | 2;
  readonly minMs: number;
  readonly maxMs: number;
}

/** As is custom for subtitles. */
export const CUSTOMARY_CUES: CueLimits = { maxLineChars: 42, maxLines: 2, minMs: 1000, maxMs: 7000 };
/** Faster than this, a cue cannot be read to its end. */
const MAX_CHARS_PER_SECOND = 20;

/** A silence that no cue should reach across. */
const LONG_PAUSE_MS = 1000;
/** A pause that is as good a place to cut as a comma. */
const SHORT_PAUSE_MS = 300;
const SENTENCE_END = /[.?!…。？！]["'”’)\]]*$/u;
const CLAUSE_END = /[,;:،、，；：–—]["'”’)\]]*$/u;

/** What a cut costs, in cues: one worse place is taken rather than one more cue than `1 / difference` would need. */
const COST = { cue: 1, anywhere: 1.5, clause: 0.4, longPauseInside: 4, sentenceTorn: 1.5, hurried: 3, unfilled: 0.5, unbalancedLine: 0.2 } as const;

/** How long somebody needs to read so many characters. */
export const readingMs = (chars: number, minMs: number): number => Math.max(minMs, (chars * 1000) / MAX_CHARS_PER_SECOND);

/** Characters as people count them, near enough: not the halves of surrogate pairs. */
export const charsIn = (text: string): number => Array.from(text).length;

/**
 * Cuts what one speaker says into cues that fit the limits, of the possible ways the cheapest: few cues, cut where a sentence, a
 * clause or a breath ends, none much shorter than the others, none too short to read. (Shortest path over the words.)
 */
export function cutIntoCues(words: readonly WrittenWord[], limits: CueLimits): (readonly WrittenWord[])[] {
  const measured = new Measured(words, limits);
  const best: { readonly cost: number; readonly from: number }[] = [{ cost: 0, from: 0 }];
  for (let to = 1; to <= words.length; to += 1) {
    let cheapest = { cost: Infinity, from: to - 1 };
    for (let from = to - 1; from >= 0 && measured.fits(from, to); from -= 1) {
      const cost = best[from]!.cost + cueCost(measured, from, to);
      if (cost < cheapest.cost) cheapest = { cost, from };
    }
    best.push({ ...cheapest, cost: cheapest.cost + cutCost(words, to) });
  }
  const cues: (readonly WrittenWord[])[] = [];
  for (let to = words.length; to > 0; to = best[to]!.from) cues.push(words.slice(best[to]!.from, to));
  return cues.reverse();
}

/** One line, or two that end at a clause or are of like length. */
export function linesOf(words: readonly WrittenWord[], limits: CueLimits): string[] {
  const measured = new Measured(words, limits);
  const line = (from: number, to: number): string => words.slice(from, to).map(({ text }) => text).join(' ');
  const cut = measured.lineCut(0, words.length);
  return cut === undefined ? [line(0, words.length)] : [line(0, cut.at), line(cut.at, words.length)];
}

class Measured {
  readonly words: readonly WrittenWord[];
  /** Characters before each word, with the blanks between. */
  readonly #offsets: readonly number[];
  readonly limits: CueLimits;
  /** All lines full, with the break between. */
  readonly maxChars: number;

  constructor(words: readonly WrittenWord[], limits: CueLimits) {
    this.words = words;
    this.limits = limits;
    this.maxChars = limits.maxLines * (limits.maxLineChars + 1) - 1;
    let offset = 0;
    this.#offsets = [0, ...words.map(({ text }) => (offset += charsIn(text) + 1))];
  }

  chars(from: number, to: number): number {
    return this.#offsets[to]! - this.#offsets[from]! - 1;
  }

  /** Can these words be a cue? A single word always can. */
  fits(from: number, to: number): boolean {
    if (to - from === 1) return true;
    const chars = this.chars(from, to);
    if (chars > this.maxChars || this.words[to - 1]!.endMs - this.words[from]!.startMs > this.limits.maxMs) return false;
    return chars <= this.limits.maxLineChars || this.lineCut(from, to) !== undefined;
  }

  /** Where the second line begins; undefined if there is none, or no such place. */
  lineCut(from: number, to: number): { readonly at: number; readonly imbalance: number } | undefined {
    const { maxLineChars, maxLines } = this.limits;
    if (maxLines === 1 || this.chars(from, to) <= maxLineChars) return undefined;
    let best: { readonly at: number; readonly imbalance: number } | undefined;
    for (let at = from + 1; at < to; at += 1) {
      const above = this.chars(from, at);
      const below = this.chars(at, to);
      if (above > maxLineChars || below > maxLineChars) continue;
      const isClause = SENTENCE_END.test(this.words[at - 1]!.text) || CLAUSE_END.test(this.words[at - 1]!.text);
      const imbalance = Math.abs(above - below) / (isClause ? 2 : 1);
      if (!best || imbalance < best.imbalance) best = { at, imbalance };
    }
    return best;
  }
}

function cueCost(measured: Measured, from: number, to: number): number {
  const { words } = measured;
  const chars = measured.chars(from, to);
  // It can stay until the next words come.
  const shownMs = (words[to]?.startMs ?? Infinity) - words[from]!.startMs;
  const hurried = Math.max(0, 1 - shownMs / readingMs(chars, measured.limits.minMs));
  const unfilled = Math.max(0, 1 - chars / measured.maxChars) ** 2;
  const unbalanced = (measured.lineCut(from, to)?.imbalance ?? 0) / measured.limits.maxLineChars;
  let cost = COST.cue + COST.hurried * hurried + COST.unfilled * unfilled + COST.unbalancedLine * unbalanced;
  let ended = false;
  for (let at = from + 1; at < to; at += 1) {
    if (pauseBefore(words, at) >= LONG_PAUSE_MS) cost += COST.longPauseInside;
    ended ||= SENTENCE_END.test(words[at - 1]!.text);
  }
  // The rest of one sentence with the beginning of the next.
  if (ended && to < words.length && !SENTENCE_END.test(words[to - 1]!.text)) cost += COST.sentenceTorn;
  return cost;
}

function cutCost(words: readonly WrittenWord[], at: number): number {
  const before = words[at - 1];
  if (at === words.length || !before || SENTENCE_END.test(before.text)) return 0;
  const anywhere = COST.anywhere - (COST.anywhere - COST.clause) * Math.min(1, pauseBefore(words, at) / SHORT_PAUSE_MS);
  return CLAUSE_END.test(before.text) ? Math.min(COST.clause, anywhere) : anywhere;
}

const pauseBefore = (words: readonly WrittenWord[], at: number): number => Math.max(0, words[at]!.startMs - words[at - 1]!.endMs);
