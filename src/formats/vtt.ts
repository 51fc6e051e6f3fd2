import type { Transcript } from '../core/session/transcribe.ts';
import type { CueLimits } from './cue-cuts.ts';
import { cuesOf, timestamp } from './cues.ts';

/** WebVTT (W3C); speakers, or else several lanes, are told apart by voice tags. */
export function vtt(transcript: Transcript, options: { readonly limits?: CueLimits } = {}): string {
  const cues = cuesOf(transcript, options.limits && { limits: options.limits }).map((cue) => {
    const voice = cue.speaker === undefined ? '' : `<v ${escape(cue.speaker)}>`;
    const times = `${timestamp(cue.startMs, '.')} --> ${timestamp(cue.endMs, '.')}`;
    return `${times}\n${voice}${cue.lines.map(escape).join('\n')}\n`;
  });
  return ['WEBVTT\n', ...cues].join('\n');
}

/** WebVTT sections 4.2.2 and 6.4: these start or end markup in cue text and in the name of a voice. With `>` goes `-->`, which would end the cue. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
