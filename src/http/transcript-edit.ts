import { z } from 'zod';
import { invalid } from '../../signaling/dialects/fields.ts';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import type { Utterance, Word } from '../core/transcript.ts';

const time = z.number().min(0).max(1_000_000);
const editedWord = z.object({ text: z.string().min(1).max(200), start: time, end: time, confidence: z.number().min(0).max(1).optional(), untimed: z.literal(true).optional() });
const editedSegment = z.object({
  segment_id: z.string().max(64).optional(),
  lane: z.number().int().min(0).max(63).default(0),
  text: z.string().max(20_000),
  start: time.describe('Seconds.'),
  end: time,
  speaker: z.string().min(1).max(200).optional().describe('Default: as before.'),
  words: z.array(editedWord).max(5000).optional().describe('Absent, or saying something else than `text`: the words of `text` share the time of the segment.'),
});

export const editSchema = z.object({
  base_version: z.number().int().min(1).describe('The version that was edited.'),
  segments: z.array(editedSegment).max(20_000),
});

/** The transcript that an edit leaves: its segments, in the order of their start. Throws `VALIDATION_ERROR` for times that run backwards. */
export function editedTranscript(base: Transcript, segments: z.output<typeof editSchema>['segments']): Transcript {
  const utterances = segments.map((each, index) => utterance(base, each, index));
  return { ...base, utterances: utterances.toSorted((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex) };
}

const samples = (seconds: number): number => Math.round(seconds * SAMPLE_RATE_HZ);

function utterance(base: Transcript, each: z.output<typeof editedSegment>, index: number): Utterance {
  if (each.end < each.start || each.words?.some((word) => word.end < word.start) === true) {
    throw invalid([{ field: `segments.${String(index)}.end`, message: 'not before the start' }]);
  }
  const text = each.text.trim().replaceAll(/\s+/g, ' ');
  const timed: Word[] | undefined = each.words?.map(({ text: said, start, end, confidence, untimed }) => ({
    text: said,
    startSample: samples(start),
    endSample: samples(end),
    ...(confidence !== undefined && { confidence }),
    ...(untimed && { untimed }),
  }));
  const saysTheSame = timed?.map((word) => word.text).join(' ') === text;
  const words = timed && saysTheSame ? timed : untimedWords(text, samples(each.start), samples(each.end));
  const before = base.utterances.find(({ id }) => id === each.segment_id)?.speaker;
  const speaker = each.speaker === undefined || each.speaker === before?.label ? before : { label: each.speaker, speakerId: null };
  return {
    id: each.segment_id ?? `E${String(index)}`,
    laneIndex: each.lane,
    text,
    words: words.map((word) => ({ ...word, ...(speaker && { speaker }) })),
    startSample: samples(each.start),
    endSample: samples(each.end),
    stableWords: words.length,
    ...(speaker && { speaker }),
  };
}

function untimedWords(text: string, startSample: number, endSample: number): Word[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => ({ text: word, startSample, endSample, untimed: true as const }));
}
