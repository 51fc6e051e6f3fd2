import type { Transcript } from '../core/session/transcribe.ts';
import { cuesOf, timestamp } from './cues.ts';

/** WebVTT (W3C); several lanes are told apart by voice tags. */
export function vtt(transcript: Transcript): string {
  const manyLanes = transcript.utterances.some((utterance) => utterance.laneIndex > 0);
  const cues = cuesOf(transcript).map((cue) => {
    const voice = manyLanes ? `<v Channel ${String(cue.laneIndex)}>` : '';
    const times = `${timestamp(cue.startMs, '.')} --> ${timestamp(cue.endMs, '.')}`;
    return `${times}\n${voice}${cue.lines.map(escape).join('\n')}\n`;
  });
  return ['WEBVTT\n', ...cues].join('\n');
}

/** WebVTT section 4.2.2: these three start markup in cue text. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
