import { SAMPLE_RATE_HZ, samplesToSeconds } from '../../src/core/audio.ts';
import type { Transcript } from '../../src/core/session/transcribe.ts';
import type { JobRecord, JobStatus } from '../../src/core/store/jobs.ts';
import type { Utterance } from '../../src/core/transcript.ts';
import { AUDIOPOD_BASE } from './audiopod.ts';
import { audioPodWord, credits } from './audiopod-results.ts';
import { meanConfidence, roundedTo, seconds, SpeakerNumbers } from './fields.ts';

/** The vendor's status of a job by ours. */
export const AUDIOPOD_STATUS: Readonly<Record<JobStatus, string>> = {
  queued: 'PENDING',
  running: 'PROCESSING',
  completed: 'COMPLETED',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
};

/** A job as its clients poll it; the older of them read `job_id`, the newer `id`. With its transcript, where there is one and it was read. */
export function audioPodJob(job: JobRecord, number: number, transcript?: Transcript): object {
  const { status, request, audioMs, source } = job;
  return {
    id: number,
    job_id: number,
    user_id: job.tenantId,
    source_urls: source.kind === 'url' ? [source.url] : [],
    language: request.language ?? null,
    model_type: typeof request.extra?.['model_type'] === 'string' ? request.extra['model_type'] : 'standard',
    status: AUDIOPOD_STATUS[status],
    progress: Math.round(job.progress * 100),
    transcript_path: status === 'completed' ? `${AUDIOPOD_BASE}/jobs/${String(number)}/transcript` : null,
    total_duration: audioMs === null ? null : roundedTo(audioMs / 1000, 3),
    detected_language: job.languageDetected,
    confidence_score: (transcript && meanConfidence(transcript.utterances.flatMap(({ words }) => words))) ?? null,
    created_at: time(job.createdAtMs),
    completed_at: time(job.endedAtMs),
    estimated_credits: audioMs === null ? null : credits((audioMs / 1000) * SAMPLE_RATE_HZ),
    display_name: displayName(job),
    error_message: job.error?.message ?? null,
  };
}

/** A transcript as JSON. */
export function audioPodTranscript(transcript: Transcript, number: number): object {
  const speakers = new SpeakerNumbers();
  const spoken = new Map<string, { readonly id: number; readonly label: string; samples: number }>();
  for (const { speaker, startSample, endSample } of transcript.utterances) {
    if (!speaker) continue;
    const known = spoken.get(speaker.label) ?? { id: speakers.of(speaker), label: speaker.label, samples: 0 };
    known.samples += endSample - startSample;
    spoken.set(speaker.label, known);
  }
  return {
    job_id: number,
    detected_language: transcript.language ?? null,
    confidence_score: meanConfidence(transcript.utterances.flatMap(({ words }) => words)) ?? null,
    total_duration: roundedTo(transcript.durationMs / 1000, 3),
    segments: transcript.utterances.map((utterance, id) => segment(utterance, id, speakers)),
    speakers: [...spoken.values()].map(({ id, label, samples }) => ({ id, label, total_speaking_time: roundedTo(samplesToSeconds(samples), 3) })),
    video_metadata: [],
  };
}

/** Segments of `after` that are not as they were. */
export function changesCount(before: Transcript, after: Transcript): number {
  const told = ({ text, startSample, endSample, speaker }: Utterance): string => JSON.stringify([text, startSample, endSample, speaker?.label]);
  const old = new Set(before.utterances.map(told));
  const changed = after.utterances.filter((utterance) => !old.has(told(utterance))).length;
  return Math.max(changed, before.utterances.length - after.utterances.length);
}

function segment(utterance: Utterance, id: number, speakers: SpeakerNumbers): object {
  const { text, startSample, endSample, words, speaker } = utterance;
  return {
    id,
    start: seconds(startSample),
    end: seconds(endSample),
    text,
    confidence: meanConfidence(words) ?? null,
    ...(speaker && { speaker_id: speakers.of(speaker), speaker_label: speaker.label }),
    words: words.map(audioPodWord),
  };
}

function displayName({ source, request }: JobRecord): string {
  const name = request.extra?.['display_name'];
  if (typeof name === 'string') return name;
  return source.kind === 'live' ? 'Live session' : source.kind === 'url' ? source.url : 'Upload';
}

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
