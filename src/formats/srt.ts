import type { Transcript } from '../core/session/transcribe.ts';
import { cuesOf, timestamp } from './cues.ts';

/** SubRip: numbered cues, comma before the milliseconds, a blank line between cues. */
export function srt(transcript: Transcript): string {
  return cuesOf(transcript)
    .map((cue, index) => {
      const times = `${timestamp(cue.startMs, ',')} --> ${timestamp(cue.endMs, ',')}`;
      return `${String(index + 1)}\n${times}\n${cue.lines.join('\n')}\n`;
    })
    .join('\n');
}
