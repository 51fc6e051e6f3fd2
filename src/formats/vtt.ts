import type { Transcript } from '../core/session/transcribe.ts';
import type { CueLimits } from './cue-cuts.ts';
import { type Cue, cuesOf, timestamp } from './cues.ts';

/** WebVTT (W3C); speakers, or else several lanes, are told apart by voice tags. */
export function vtt(transcript: Transcript, options: { readonly limits?: CueLimits } = {}): string {
  return ['WEBVTT\n', ...cuesOf(transcript, options.limits && { limits: options.limits }).map(vttCue)].join('\n');
}

/** One cue, with the newline that ends it. */
export function vttCue(cue: Cue): string {
  const voice = cue.speaker === undefined ? '' : `<v ${escape(cue.speaker)}>`;
  const times = `${timestamp(cue.startMs, '.')} --> ${timestamp(cue.endMs, '.')}`;
  return `${times}\n${voice}${cue.lines.map(escape).join('\n')}\n`;
}

/** WebVTT sections 4.2.2 and 6.4: these start or end markup in cue text and in the name of a voice. With `>` goes `-->`, which would end the cue. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
