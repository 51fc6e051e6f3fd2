import { z } from 'zod';
import { segment } from '../../signaling/dialects/scaiecho.ts';
import { transcriptText, type Transcript } from '../core/session/transcribe.ts';
import type { JobRecord } from '../core/store/jobs.ts';

const wordSchema = z.object({
  text: z.string(),
  start: z.number(),
  end: z.number(),
  confidence: z.number().optional(),
  speaker: z.string().optional().describe('Name of an enrolled speaker, or `SPEAKER_00`, `SPEAKER_01`, ...; absent where nobody can tell.'),
  speaker_id: z.string().nullable().optional().describe('Null where the speaker is not an enrolled one.'),
});
export const segmentSchema = wordSchema.extend({ segment_id: z.string(), lane: z.number().int(), words: z.array(wordSchema) });

export const jobSchema = z.object({
  job_id: z.string(),
  status: z.enum(['queued', 'running', 'completed', 'failed', 'cancelled']),
  progress: z.number().describe('0 to 1; 0 until the end where the length of the audio is not known.'),
  source: z.string().describe('`upload`, `url`, or the transport of the session: `http`, `websocket`, `webrtc`, `mcp`.'),
  transcript: z.string().nullable().optional().describe('Null until the job is completed; absent in lists.'),
  segments: z.array(segmentSchema).optional().describe('The utterances of all channels in the order of their start; times in seconds.'),
  backend_used: z.string().nullable(),
  model: z.string().optional(),
  language_detected: z.string().nullable(),
  audio_duration_ms: z.number().int().nullable(),
  audio_bytes: z.number().int().nullable(),
  attempts: z.number().int(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  completed_at: z.string().nullable(),
});

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** A job in ScaiEcho's terms. With a transcript, or null where there is none yet; without either for lists. */
export function jobJson(job: JobRecord, transcript?: Transcript | null): object {
  return {
    job_id: job.id,
    status: job.status,
    progress: job.progress,
    source: job.source.kind === 'live' ? job.source.transport : job.source.kind,
    ...(transcript !== undefined && { transcript: transcript && transcriptText(transcript) }),
    ...(transcript && { segments: transcript.utterances.map(segment), model: transcript.model }),
    backend_used: job.backend,
    language_detected: job.languageDetected,
    audio_duration_ms: job.audioMs === null ? null : Math.round(job.audioMs),
    audio_bytes: job.audioBytes,
    attempts: job.attempts,
    error: job.error,
    created_at: time(job.createdAtMs),
    started_at: time(job.startedAtMs),
    completed_at: time(job.endedAtMs),
  };
}
