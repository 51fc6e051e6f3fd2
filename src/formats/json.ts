import { samplesToSeconds } from '../core/audio.ts';
import { type Transcript, transcriptText } from '../core/session/transcribe.ts';
import type { Utterance } from '../core/transcript.ts';

const seconds = (samples: number): number => Math.round(samplesToSeconds(samples) * 1000) / 1000;
const rounded = (confidence: number): number => Math.round(confidence * 1000) / 1000;

/** A transcript with its words; times in seconds from the start of the recording. */
export function transcriptJson(transcript: Transcript): object {
  return {
    text: transcriptText(transcript),
    backend: transcript.backend,
    ...(transcript.model !== undefined && { model: transcript.model }),
    ...(transcript.language !== undefined && { language: transcript.language }),
    duration: transcript.durationMs / 1000,
    segments: transcript.utterances.map(segmentJson),
  };
}

function segmentJson(utterance: Utterance): object {
  return {
    id: utterance.id,
    lane: utterance.laneIndex,
    text: utterance.text,
    start: seconds(utterance.startSample),
    end: seconds(utterance.endSample),
    ...(utterance.speaker && { speaker: utterance.speaker.label, speaker_id: utterance.speaker.speakerId }),
    words: utterance.words.map((word) => ({
      text: word.text,
      start: seconds(word.startSample),
      end: seconds(word.endSample),
      ...(word.confidence !== undefined && { confidence: rounded(word.confidence) }),
      ...(word.speaker && { speaker: word.speaker.label, speaker_id: word.speaker.speakerId }),
      ...(word.untimed && { untimed: true }),
    })),
  };
}
