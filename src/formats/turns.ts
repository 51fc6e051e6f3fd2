import { samplesToMs } from '../core/audio.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import type { Utterance, Word } from '../core/transcript.ts';

/** A word as it is written: one line, times in milliseconds of the recording. */
export interface WrittenWord {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What one speaker says in one go: never empty, never longer than an utterance. */
export interface Turn {
  /** Name or label of the speaker; the channel where only channels tell speakers apart; absent where nothing does. */
  readonly speaker?: string;
  readonly laneIndex: number;
  readonly words: readonly WrittenWord[];
}

/** The transcript as turns, in order. */
export function turnsOf(transcript: Transcript): Turn[] {
  const manyLanes = transcript.utterances.some((utterance) => utterance.laneIndex > 0);
  return transcript.utterances.flatMap((utterance) => turnsIn(utterance, manyLanes));
}

function turnsIn(utterance: Utterance, manyLanes: boolean): Turn[] {
  const { laneIndex } = utterance;
  const channel = manyLanes ? `Channel ${String(laneIndex)}` : '';
  const turns: { speaker: string; words: WrittenWord[] }[] = [];
  const times = spreadOut(utterance.words);
  for (const [index, word] of utterance.words.entries()) {
    const text = oneLine(word.text);
    if (text === '') continue;
    const speaker = oneLine((word.speaker ?? utterance.speaker)?.label ?? channel);
    if (turns.at(-1)?.speaker !== speaker) turns.push({ speaker, words: [] });
    turns.at(-1)?.words.push({ text, ...times[index]! });
  }
  return turns.map(({ speaker, words }) => ({ laneIndex, words, ...(speaker !== '' && { speaker }) }));
}

/** Words without times of their own share those of their stretch by their length. */
function spreadOut(words: readonly Word[]): { readonly startMs: number; readonly endMs: number }[] {
  const times = words.map(({ startSample, endSample }) => ({ startMs: samplesToMs(startSample), endMs: samplesToMs(endSample) }));
  for (let from = 0; from < words.length; ) {
    const first = words[from]!;
    let to = from + 1;
    while (first.untimed && words[to]?.untimed && words[to]?.startSample === first.startSample && words[to]?.endSample === first.endSample) to += 1;
    const { startMs, endMs } = times[from]!;
    const total = words.slice(from, to).reduce((sum, { text }) => sum + text.length + 1, 0);
    let before = 0;
    for (let at = from; at < to; at += 1) {
      const after = before + words[at]!.text.length + 1;
      times[at] = { startMs: startMs + ((endMs - startMs) * before) / total, endMs: startMs + ((endMs - startMs) * after) / total };
      before = after;
    }
    from = to;
  }
  return times;
}

/** Line breaks and other control characters end a cue or a line in every text format. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029 ]+/gu, ' ').trim();
