import { samplesToMs } from '../core/audio.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import { type Word, textOf } from '../core/transcript.ts';

/** One subtitle: at most two lines, in milliseconds of the recording. */
export interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  readonly lines: readonly string[];
  readonly laneIndex: number;
}

/** Characters in a line, as is custom for subtitles. */
const MAX_LINE_CHARS = 42;
const MAX_CUE_CHARS = 2 * MAX_LINE_CHARS;
const MAX_CUE_MS = 7000;
const MIN_CUE_MS = 1000;

/** Cuts utterances into readable cues at word boundaries; a cue stays at least a second if the next one leaves room. */
export function cuesOf(transcript: Transcript): Cue[] {
  const cues = transcript.utterances.flatMap((utterance) =>
    chunks(utterance.words).map((words) => cueOf(words, utterance.laneIndex)),
  );
  return cues.map((cue, index) => {
    const nextStartMs = cues.slice(index + 1).find((next) => next.laneIndex === cue.laneIndex)?.startMs ?? Infinity;
    return { ...cue, endMs: Math.max(cue.endMs, Math.min(cue.startMs + MIN_CUE_MS, nextStartMs)) };
  });
}

/** `HH:MM:SS` and milliseconds after `separator`. */
export function timestamp(ms: number, separator: string): string {
  const whole = Math.round(ms);
  const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
  const secondsPart = `${pad(Math.floor(whole / 60_000) % 60, 2)}:${pad(Math.floor(whole / 1000) % 60, 2)}`;
  return `${pad(Math.floor(whole / 3_600_000), 2)}:${secondsPart}${separator}${pad(whole % 1000, 3)}`;
}

function chunks(words: readonly Word[]): Word[][] {
  const result: Word[][] = [];
  let present: Word[] = [];
  for (const word of words) {
    const first = present[0];
    const tooLong = textOf([...present, word]).length > MAX_CUE_CHARS;
    if (first && (tooLong || samplesToMs(word.endSample - first.startSample) > MAX_CUE_MS)) {
      result.push(present);
      present = [];
    }
    present.push(word);
  }
  if (present.length > 0) result.push(present);
  return result;
}

function cueOf(words: readonly Word[], laneIndex: number): Cue {
  return {
    startMs: samplesToMs((words[0]!).startSample),
    endMs: samplesToMs((words.at(-1)!).endSample),
    lines: linesOf(words),
    laneIndex,
  };
}

/** Two lines of like length rather than a full one and a rest. */
function linesOf(words: readonly Word[]): string[] {
  const text = textOf(words);
  if (text.length <= MAX_LINE_CHARS) return [text];
  const middle = text.length / 2;
  let best = -1;
  for (let at = text.indexOf(' '); at >= 0; at = text.indexOf(' ', at + 1)) {
    if (best < 0 || Math.abs(at - middle) < Math.abs(best - middle)) best = at;
  }
  return best < 0 ? [text] : [text.slice(0, best), text.slice(best + 1)];
}
