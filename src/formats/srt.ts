import type { Transcript } from '../core/session/transcribe.ts';
import type { CueLimits } from './cue-cuts.ts';
import { cuesOf, timestamp } from './cues.ts';

/** SubRip: numbered cues, comma before the milliseconds, a blank line between cues. With `speakers`, a new speaker is named: `Alice: ...`. */
export function srt(transcript: Transcript, options: { readonly speakers?: boolean; readonly limits?: CueLimits } = {}): string {
  return cuesOf(transcript, { named: options.speakers === true, ...(options.limits && { limits: options.limits }) })
    .map((cue, index) => {
      const times = `${timestamp(cue.startMs, ',')} --> ${timestamp(cue.endMs, ',')}`;
      return `${String(index + 1)}\n${times}\n${cue.lines.map(harmless).join('\n')}\n`;
    })
    .join('\n');
}

const WORD_JOINER = '\u2060';

/**
 * SubRip has no escapes, and players do not agree on entities. What they would take for markup (`<b>`, `{\an8}`) or for the arrow between times
 * gets a character inside that nobody sees.
 */
const harmless = (text: string): string => text.replaceAll(/[<{](?=\S)|--(?=>)/gu, `$&${WORD_JOINER}`);
