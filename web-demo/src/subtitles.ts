import { wordsText, type Utterance } from './transcript.ts';
import type { WireWord } from '../../client/browser.ts';

/** Formats of a transcript for other programs. */
export type SubtitleFormat = 'txt' | 'srt' | 'vtt';

/** Two lines of 42 characters and six seconds: what subtitle style guides allow to be read at ease. */
const MAX_LINE_CHARACTERS = 42;
const MAX_CUE_CHARACTERS = 2 * MAX_LINE_CHARACTERS;
const MAX_CUE_SECONDS = 6;
/** A cue that shows for less than this cannot be seen. */
const MIN_CUE_SECONDS = 0.2;

export const MEDIA_TYPES: Readonly<Record<SubtitleFormat, string>> = {
  txt: 'text/plain;charset=utf-8',
  srt: 'application/x-subrip;charset=utf-8',
  vtt: 'text/vtt;charset=utf-8',
};

interface Cue {
  readonly lane: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly text: string;
}

/** Settled utterances as a file. Several lanes (the channels of a recording) are named, one alone is not. */
export function formatSubtitles(utterances: readonly Utterance[], format: SubtitleFormat): string {
  const named = new Set(utterances.map((utterance) => utterance.lane)).size > 1;
  switch (format) {
    case 'txt':
      return utterances.map((each) => `${named ? `${laneName(each.lane)}: ` : ''}${wordsText(each.words)}\n`).join('');
    case 'srt':
      return cuesOf(utterances)
        .map((cue, index) => {
          const text = wrap(escapeSrt(`${named ? `${laneName(cue.lane)}: ` : ''}${cue.text}`));
          return `${index + 1}\n${timestamp(cue.startSeconds, ',')} --> ${timestamp(cue.endSeconds, ',')}\n${text}\n`;
        })
        .join('\n');
    case 'vtt':
      return ['WEBVTT\n', ...cuesOf(utterances).map((cue) => {
        const voice = named ? `<v ${laneName(cue.lane)}>` : '';
        const text = wrap(cue.text).split('\n').map(escapeVtt).join('\n');
        return `${timestamp(cue.startSeconds, '.')} --> ${timestamp(cue.endSeconds, '.')}\n${voice}${text}\n`;
      })].join('\n');
  }
}

/** `earshot-2026-05-18-1501.srt`, in local time. */
export function fileName(now: Date, format: SubtitleFormat): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `earshot-${day}-${two(now.getHours())}${two(now.getMinutes())}.${format}`;
}

export const laneName = (lane: number): string => `Channel ${lane + 1}`;

function cuesOf(utterances: readonly Utterance[]): readonly Cue[] {
  return utterances.flatMap((utterance) => splitUtterance(utterance)).sort((a, b) => a.startSeconds - b.startSeconds);
}

function splitUtterance(utterance: Utterance): readonly Cue[] {
  const groups: TimedWord[][] = [];
  let characters = 0;
  for (const word of timedWords(utterance)) {
    const current = groups.at(-1);
    const first = current?.[0];
    const tooLong = first !== undefined
      && (characters + 1 + word.text.length > MAX_CUE_CHARACTERS || word.endSeconds - first.startSeconds > MAX_CUE_SECONDS);
    if (!current || tooLong) {
      groups.push([word]);
      characters = word.text.length;
    } else {
      current.push(word);
      characters += 1 + word.text.length;
    }
  }
  return groups.map((group) => {
    const startSeconds = group[0]?.startSeconds ?? utterance.startSeconds;
    const endSeconds = group.at(-1)?.endSeconds ?? utterance.endSeconds;
    return {
      lane: utterance.lane,
      startSeconds,
      endSeconds: Math.max(endSeconds, startSeconds + MIN_CUE_SECONDS),
      text: wordsText(group),
    };
  });
}

type TimedWord = WireWord & { readonly startSeconds: number; readonly endSeconds: number };

/** Every word with a time; where the engine gives none, the utterance's own is shared out by length. */
function timedWords(utterance: Utterance): readonly TimedWord[] {
  const characters = utterance.words.reduce((sum, word) => sum + word.text.length, 0);
  const secondsPerCharacter = (utterance.endSeconds - utterance.startSeconds) / Math.max(1, characters);
  let before = 0;
  return utterance.words.map((word) => {
    const sharedStart = utterance.startSeconds + before * secondsPerCharacter;
    before += word.text.length;
    const sharedEnd = utterance.startSeconds + before * secondsPerCharacter;
    return { ...word, startSeconds: word.startSeconds ?? sharedStart, endSeconds: word.endSeconds ?? sharedEnd };
  });
}

/** One line, or two of about the same length, so that the eye need not travel. */
function wrap(text: string): string {
  if (text.length <= MAX_LINE_CHARACTERS) return text;
  let best = -1;
  for (let index = text.indexOf(' '); index !== -1; index = text.indexOf(' ', index + 1)) {
    if (best === -1 || Math.abs(index - text.length / 2) < Math.abs(best - text.length / 2)) best = index;
  }
  return best === -1 ? text : `${text.slice(0, best)}\n${text.slice(best + 1)}`;
}

/** SubRip has no escapes: what players would take for an arrow or a tag is written with look-alikes. */
function escapeSrt(text: string): string {
  return text.replaceAll('-->', '→').replace(/<(?=[a-z/])/giu, '‹').replace(/\{(?=\\)/gu, '(');
}

/** https://www.w3.org/TR/webvtt1/#webvtt-cue-text */
function escapeVtt(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function timestamp(seconds: number, decimalMark: ',' | '.'): string {
  const totalMs = Math.round(seconds * 1000);
  const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
  const hours = Math.floor(totalMs / 3_600_000);
  const minutes = Math.floor(totalMs / 60_000) % 60;
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(Math.floor(totalMs / 1000) % 60, 2)}${decimalMark}${pad(totalMs % 1000, 3)}`;
}
