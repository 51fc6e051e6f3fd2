import { z } from 'zod';
import type { Transcript } from '../core/session/transcribe.ts';
import { FORMATS } from '../formats/index.ts';

const yesNo = z.enum(['false', 'true', '']).default('false').transform((value) => value === 'true');

/** How a transcript is to be written: query parameters of every route that answers with one. */
export const exportQuery = z.object({
  format: z
    .enum(['json', 'text', 'txt', 'srt', 'vtt'])
    .default('json')
    .describe('Other than `json`, the body is that text without an envelope.'),
  speakers: yesNo.describe('In text and SRT, name who speaks; JSON and VTT always do.'),
  paragraphs: yesNo.describe('In text, begin paragraphs at new speakers and long pauses.'),
});

/** Media types of what is not JSON. */
export const EXPORT_TYPES = ['text/plain', 'application/x-subrip', 'text/vtt'] as const;

/** The body and its type, for any format of the query but `json`. */
export function exported(transcript: Transcript, query: z.output<typeof exportQuery>): { readonly mediaType: string; readonly text: string } {
  const format = FORMATS.find(({ id }) => id === (query.format === 'txt' ? 'text' : query.format));
  return { mediaType: format?.mediaType ?? 'text/plain', text: format?.write(transcript, query) ?? '' };
}
