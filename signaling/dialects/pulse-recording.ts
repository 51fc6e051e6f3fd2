import { type Transcript, transcriptText } from '../../src/core/session/transcribe.ts';
import { invalid, QueryReader, roundedTo, SpeakerNumbers } from './fields.ts';
import { type PulseOptions, pulseOptions } from './pulse-options.ts';
import { pulseUtterance, pulseWord, redactedEntities } from './pulse-results.ts';

/** `lightning` is an older name of `pulse`. */
const MODELS = ['pulse', 'pulse-pro', 'lightning'];

/** What the query of a recording asks for. */
export interface PulseRecordingOptions extends PulseOptions {
  /** `pulse-pro` answers with more about the request, and with neither speakers nor utterances. */
  readonly isPro: boolean;
  /** Words and utterances both. */
  readonly words: boolean;
  /** Where the answer goes instead. */
  readonly webhook: string | undefined;
  /** Goes back untouched with it. */
  readonly extra: Readonly<Record<string, string>> | undefined;
}

export interface PulseRequest {
  readonly id: string;
  readonly audioBytes: number;
  /** Time that the answer took, where it is known. */
  readonly tookMs?: number;
}

/** `model`: of the path, where that names one. Throws `VALIDATION_ERROR` that names every parameter at fault. */
export function pulseRecordingOptions(query: URLSearchParams, model: string | undefined): PulseRecordingOptions {
  const named = model ?? query.get('model') ?? '';
  if (!MODELS.includes(named)) throw invalid([{ field: 'model', message: `one of ${MODELS.join(', ')}` }]);
  const reader = new QueryReader(query);
  const isPro = named === 'pulse-pro';
  const method = reader.text('webhook_method')?.toLowerCase();
  if (method !== undefined && method !== 'post') reader.refuse('webhook_method', 'POST: results are not sent in another way');
  const common = pulseOptions(reader);
  if (isPro && common.diarize) reader.refuse('diarize', 'not with pulse-pro');
  const options = { ...common, isPro, words: reader.flag('word_timestamps'), webhook: reader.text('webhook_url'), extra: extraOf(reader) };
  reader.check();
  return options;
}

/** The answer to a recording, in the vendor's shape. */
export function pulseRecording(transcript: Transcript, options: PulseRecordingOptions, request: PulseRequest): object {
  const { utterances, durationMs, language } = transcript;
  const speakers = options.diarize ? new SpeakerNumbers() : undefined;
  const duration = roundedTo(durationMs / 1000, 3);
  const head = {
    status: 'success',
    transcription: transcriptText(transcript),
    words: options.words ? utterances.flatMap(({ words }) => words.map((word) => pulseWord(word, speakers))) : [],
    ...(options.text?.redact && { redacted_entities: redactedEntities(utterances) }),
    ...(options.extra && { extra: options.extra }),
  };
  if (!options.isPro) {
    return {
      ...head,
      utterances: options.words ? utterances.map((utterance) => pulseUtterance(utterance, speakers)) : [],
      ...(language !== undefined && { language }),
      request_id: request.id,
      metadata: { duration, fileSize: request.audioBytes },
    };
  }
  const { tookMs } = request;
  return {
    ...head,
    language: language ?? null,
    request_id: request.id,
    totalBytes: request.audioBytes,
    metadata: { duration, ...(tookMs !== undefined && { processing_time_ms: Math.round(tookMs), rtfx: roundedTo(durationMs / Math.max(1, tookMs), 2) }), num_chunks: 1 },
  };
}

/** `key:value,key2:value2`. */
function extraOf(reader: QueryReader): Readonly<Record<string, string>> | undefined {
  const text = reader.text('webhook_extra');
  if (text === undefined) return undefined;
  const pairs = text.split(',').map((pair) => /^\s*([^:]+):(.*)$/s.exec(pair));
  if (pairs.some((pair) => !pair)) reader.refuse('webhook_extra', 'key:value,key2:value2');
  return Object.fromEntries(pairs.flatMap((pair) => (pair ? [[pair[1] ?? '', pair[2] ?? '']] : [])));
}
