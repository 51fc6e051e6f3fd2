import type { Utterance } from '../core/transcript.ts';
import { vtt } from './vtt.ts';

/** What a WebVTT file that grows begins with. */
export const LIVE_VTT_HEAD = 'WEBVTT\n';

/**
 * The cues of one settled utterance, to be put behind those before it. Written one by one, a cue does not know the next: where it stays long enough to be
 * read it may still be there when the next begins, and players then show both.
 */
export function vttCuesOf(utterance: Utterance): string {
  return vtt({ utterances: [utterance], backend: '', durationMs: 0 }).slice(LIVE_VTT_HEAD.length);
}
