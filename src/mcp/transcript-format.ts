import { z } from 'zod';
import type { Transcript } from '../core/session/transcribe.ts';
import { FORMATS } from '../formats/index.ts';

/** How a tool writes a transcript as text. */
export const formatField = z.enum(['text', 'json', 'srt', 'vtt']).default('text').describe('text: paragraphs by speaker; json: words with times; srt, vtt: subtitles.');

export function writtenAs(transcript: Transcript, format: z.output<typeof formatField>): string {
  return FORMATS.find(({ id }) => id === format)?.write(transcript, { speakers: true, paragraphs: true }) ?? '';
}
