import type { Transcript } from '../core/session/transcribe.ts';
import { charsIn, type CueLimits, CUSTOMARY_CUES, cutIntoCues, linesOf, readingMs } from './cue-cuts.ts';
import { type Turn, turnsOf, type WrittenWord } from './turns.ts';

/** One subtitle of one speaker: at most two lines, in whole milliseconds of the recording. */
export interface Cue {
  readonly startMs: number;
  /** After the start, and not after the start of the lane's next cue. */
  readonly endMs: number;
  readonly lines: readonly string[];
  readonly laneIndex: number;
  readonly speaker?: string;
}

/** Two frames of a film: what shows the eye that a cue is another one. */
const GAP_MS = 80;

/**
 * A transcript as readable cues, in the order of their start. Those of one lane never overlap; lanes are heard, and shown, at the same time.
 * A cue stays as long as it takes to read and the next of its lane leaves room, at most seven seconds. `named`: a speaker who was not the
 * last to speak is named in the text. `limits`: what a cue may be; by default what is customary.
 */
export function cuesOf(transcript: Transcript, options: { readonly named?: boolean; readonly limits?: CueLimits } = {}): Cue[] {
  const { limits = CUSTOMARY_CUES } = options;
  const lanes = new Map<number, UntimedCue[]>();
  let last: string | undefined;
  for (const turn of turnsOf(transcript)) {
    const words = options.named === true && turn.speaker !== last ? named(turn) : turn.words;
    last = turn.speaker;
    const lane = lanes.get(turn.laneIndex) ?? [];
    lanes.set(turn.laneIndex, lane);
    for (const cue of cutIntoCues(words, limits)) lane.push({ words: cue, turn });
  }
  return [...lanes.values()].flatMap((lane) => timed(lane, limits)).sort((a, b) => a.startMs - b.startMs || a.laneIndex - b.laneIndex);
}

/** `HH:MM:SS` and milliseconds after `separator`. */
export function timestamp(ms: number, separator: string): string {
  const whole = Math.round(ms);
  const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
  const secondsPart = `${pad(Math.floor(whole / 60_000) % 60, 2)}:${pad(Math.floor(whole / 1000) % 60, 2)}`;
  return `${pad(Math.floor(whole / 3_600_000), 2)}:${secondsPart}${separator}${pad(whole % 1000, 3)}`;
}

interface UntimedCue {
  readonly words: readonly WrittenWord[];
  readonly turn: Turn;
}

function named({ speaker, words }: Turn): readonly WrittenWord[] {
  const startMs = words[0]!.startMs;
  return speaker === undefined ? words : [{ text: `${speaker}:`, startMs, endMs: startMs }, ...words];
}

/** Edited words may have any times: starts are made to increase, so that every cue is seen, in order. */
function timed(cues: readonly UntimedCue[], limits: CueLimits): Cue[] {
  const starts: number[] = [];
  for (const { words } of cues) starts.push(Math.max(Math.round(words[0]!.startMs), (starts.at(-1) ?? -1) + 1));
  return cues.map(({ words, turn: { laneIndex, speaker } }, index) => {
    const startMs = starts[index]!;
    const nextMs = starts[index + 1] ?? Infinity;
    const lines = linesOf(words, limits);
    const spokenUntilMs = Math.max(...words.map(({ endMs }) => Math.round(endMs)));
    const wantedMs = Math.min(startMs + limits.maxMs, Math.max(spokenUntilMs, startMs + Math.ceil(readingMs(charsIn(lines.join(' ')), limits.minMs))));
    // Where room is short, time to read is worth more than the gap.
    const roomMs = Math.max(nextMs - GAP_MS, Math.min(nextMs, startMs + limits.minMs));
    return { startMs, endMs: Math.min(wantedMs, roomMs), lines, laneIndex, ...(speaker !== undefined && { speaker }) };
  });
}
