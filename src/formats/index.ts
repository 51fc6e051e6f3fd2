import type { Transcript } from '../core/session/transcribe.ts';
import { transcriptJson } from './json.ts';
import { srt } from './srt.ts';
import { text, type TextOptions } from './text.ts';
import { vtt } from './vtt.ts';

/** What a reader may ask of a format; one that cannot do it leaves it out. JSON and VTT tell speakers always. */
export type WriteOptions = TextOptions;

/** One way of writing a finished transcript. */
export interface TranscriptFormat {
  readonly id: string;
  readonly mediaType: string;
  readonly write: (transcript: Transcript, options?: WriteOptions) => string;
}

export const FORMATS: readonly TranscriptFormat[] = [
  { id: 'json', mediaType: 'application/json; charset=utf-8', write: (t) => `${JSON.stringify(transcriptJson(t), null, 2)}\n` },
  { id: 'text', mediaType: 'text/plain; charset=utf-8', write: text },
  { id: 'srt', mediaType: 'application/x-subrip; charset=utf-8', write: srt },
  { id: 'vtt', mediaType: 'text/vtt; charset=utf-8', write: vtt },
];
