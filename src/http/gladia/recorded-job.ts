import { addOnBlocks, notEnabledBlock } from '../../../signaling/dialects/gladia-addons.ts';
import { SpeakerNumbers } from '../../../signaling/dialects/fields.ts';
import { type GladiaRecording, NEVER_OFFERED } from '../../../signaling/dialects/gladia-recording.ts';
import { gladiaMetadata, gladiaTranscription, inOrder, sentencesBlock } from '../../../signaling/dialects/gladia-results.ts';
import type { Transcript } from '../../core/session/transcribe.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import { type PlacedText, spokenAs } from '../../core/text-analysis.ts';
import { CUSTOMARY_CUES, type CueLimits } from '../../formats/cue-cuts.ts';
import { srt } from '../../formats/srt.ts';
import { vtt } from '../../formats/vtt.ts';
import type { DescribeJob } from '../../jobs/job-description.ts';
import { bareId } from '../streamed-recordings.ts';
import { endOf, errorCodeOf, headOf, type GladiaJob } from './job-json.ts';

/** Marks jobs of `POST /v2/pre-recorded`. */
export const RECORDED = 'gladia-pre-recorded';

/** Kept in the job, for answers in the vendor's shape. */
export interface RecordedRequest {
  readonly options: GladiaRecording;
  /** Null for what is at an address. */
  readonly upload: { readonly id: string; readonly filename: string | null; readonly channels: number } | null;
}

/** The job as the vendor tells it; with a transcript once it is done. */
export function recordedJob(job: JobRecord, transcript: Transcript | undefined): GladiaJob {
  const { options } = requestOf(job);
  const { custom_metadata: metadata, ...params } = options;
  return {
    ...headOf(bareId(job.id), job.createdAtMs, metadata ?? {}, params),
    kind: 'pre-recorded',
    ...endOf(job),
    file: fileOf(job, transcript),
    result: transcript ? recordedResult(job, transcript) : null,
  };
}

/** What a callback is told: the result, or what it failed of. */
export const describeRecordedJob: DescribeJob = (job, transcript) => {
  const { custom_metadata: metadata } = requestOf(job).options;
  const about = { id: bareId(job.id), ...(metadata && { custom_metadata: metadata }) };
  if (transcript) return { ...about, event: 'transcription.success', payload: recordedResult(job, transcript) };
  return { ...about, event: 'transcription.error', error: { code: errorCodeOf(job.error), message: job.error?.message ?? 'The transcription did not end well.' } };
};

const requestOf = (job: JobRecord): RecordedRequest => job.request.extra as unknown as RecordedRequest;

function recordedResult(job: JobRecord, transcript: Transcript): object {
  const { options } = requestOf(job);
  const { language, analysis } = transcript;
  const utterances = inOrder(transcript.utterances);
  const style = { language, isLive: false, ...(options.diarization && { speakers: new SpeakerNumbers() }) };
  const sentences = options.sentences ? sentencesBlock(utterances) : undefined;
  const subtitles = subtitlesOf(options, transcript);
  return {
    metadata: gladiaMetadata(channelsOf(job, transcript), transcript.durationMs / 1000, ((job.endedAtMs ?? 0) - (job.startedAtMs ?? 0)) / 1000),
    transcription: { ...gladiaTranscription(utterances, style), ...(sentences && { sentences: [sentences] }), ...(subtitles && { subtitles }) },
    ...(sentences && { sentences }),
    ...(analysis && addOnBlocks(analysis, (translated) => rewritten(options, translated))),
    ...Object.fromEntries(NEVER_OFFERED.filter((name) => options[name] === true).map((name) => [name, notEnabledBlock()])),
  };
}

function fileOf(job: JobRecord, transcript: Transcript | undefined): object {
  const { upload } = requestOf(job);
  const url = job.source.kind === 'url' ? job.source.url : null;
  return {
    id: upload?.id ?? bareId(job.id),
    filename: upload?.filename ?? (url === null ? null : (URL.parse(url)?.pathname.split('/').at(-1) ?? null)),
    source: url,
    audio_duration: job.audioMs === null ? null : job.audioMs / 1000,
    number_of_channels: transcript ? channelsOf(job, transcript) : (upload?.channels ?? null),
  };
}

/** Of what is at an address, those that somebody spoke on. */
const channelsOf = (job: JobRecord, { utterances }: Transcript): number => requestOf(job).upload?.channels ?? Math.max(1, ...utterances.map(({ laneIndex }) => laneIndex + 1));

/** A translation as sentences and subtitles too, where those were asked for. */
function rewritten(options: GladiaRecording, translated: readonly PlacedText[]): object {
  const utterances = translated.map(spokenAs);
  const subtitles = subtitlesOf(options, { utterances, backend: '', durationMs: 0 });
  return { ...(options.sentences && { sentences: [sentencesBlock(utterances)] }), ...(subtitles && { subtitles }) };
}

function subtitlesOf({ subtitles, subtitles_config: config }: GladiaRecording, transcript: Transcript): readonly object[] | undefined {
  if (!subtitles) return undefined;
  const limits: CueLimits = {
    maxLineChars: config?.maximum_characters_per_row ?? CUSTOMARY_CUES.maxLineChars,
    maxLines: config?.maximum_rows_per_caption === 1 ? 1 : 2,
    minMs: config?.minimum_duration === undefined ? CUSTOMARY_CUES.minMs : config.minimum_duration * 1000,
    maxMs: config?.maximum_duration === undefined ? CUSTOMARY_CUES.maxMs : config.maximum_duration * 1000,
  };
  return (config?.formats ?? ['srt']).map((format) => ({ format, subtitles: (format === 'srt' ? srt : vtt)(transcript, { limits }) }));
}
