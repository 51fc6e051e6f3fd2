import { deflateSync } from 'node:zlib';
import type { SessionWish } from '../../src/core/admission.ts';
import { type EarshotError } from '../../src/core/errors.ts';
import { transcriptText, type Transcript } from '../../src/core/session/transcribe.ts';
import type { VocabularyTerm } from '../../src/core/text-options.ts';
import { textOf, type NumberedEvent, type Utterance, type Word } from '../../src/core/transcript.ts';
import { meanConfidence, QueryReader, roundedTo, seconds } from './fields.ts';
import { openaiError } from './openai-error.ts';

/** How OpenAI's clients want a recording's transcript written. `text`, `srt` and `vtt` are the formats of the same name. */
const FORMATS = ['json', 'text', 'srt', 'vtt', 'verbose_json', 'diarized_json'] as const;
type FileFormat = (typeof FORMATS)[number];

/** Formats of a translation. */
const TRANSLATED_FORMATS = ['json', 'text', 'srt', 'vtt', 'verbose_json'] as const satisfies readonly FileFormat[];

/** The form of `POST /v1/audio/transcriptions`, or of `/v1/audio/translations`, which makes English of anything. */
export interface FileRequest {
  readonly task: 'transcribe' | 'translate';
  /** Any name: clients have their vendor's in them. */
  readonly model: string;
  readonly format: FileFormat;
  readonly stream: boolean;
  readonly words: boolean;
  readonly segments: boolean;
  readonly logprobs: boolean;
  /** What the session is to be. */
  readonly wish: Pick<SessionWish, 'language' | 'diarize' | 'text' | 'endpointing'>;
}

/** What translations are made into: there is no choice. */
export const TRANSLATED_INTO = 'en';
/** Says of itself in its documentation that it answers whole. */
const NEVER_STREAMS = 'whisper-1';
const MAX_TERMS = 100;
const MAX_TERM_WORDS = 3;
const PROMPT_BOOST = 1.5;

/** Checks the form; throws `VALIDATION_ERROR`. Unknown fields are ignored. */
export function fileRequest(fields: URLSearchParams): FileRequest {
  const reader = new QueryReader(fields);
  const all = (name: string): readonly string[] => [...reader.all(`${name}[]`), ...reader.all(name)];
  const model = reader.text('model') ?? '';
  if (model === '') reader.refuse('model', 'required');
  const format = reader.choice('response_format', new Map(FORMATS.map((each) => [each, each]))) ?? 'json';
  const granularities = all('timestamp_granularities');
  if (granularities.some((each) => each !== 'word' && each !== 'segment')) reader.refuse('timestamp_granularities', 'word or segment');
  const logprobs = all('include');
  if (logprobs.some((each) => each !== 'logprobs')) reader.refuse('include', 'logprobs');
  const stream = reader.flag('stream') && model !== NEVER_STREAMS;
  if (stream && !['json', 'text', 'diarized_json'].includes(format)) reader.refuse('response_format', 'json, text or diarized_json with stream');
  for (const field of ['known_speaker_names', 'known_speaker_references']) {
    if (all(field).length > 0) reader.refuse(field, 'not offered here: speakers are known by enrolment');
  }
  reader.number('temperature', 0, 1);
  const language = reader.language('language');
  const endpointMs = silenceMs(reader, fields);
  const vocabulary = termsIn(reader.text('prompt') ?? '');
  reader.check();
  return {
    task: 'transcribe',
    model,
    format,
    stream,
    words: granularities.includes('word'),
    segments: granularities.length === 0 || granularities.includes('segment'),
    logprobs: logprobs.length > 0,
    wish: {
      ...(language !== undefined && { language }),
      ...(format === 'diarized_json' && { diarize: true }),
      ...(vocabulary.length > 0 && { text: { vocabulary } }),
      ...(endpointMs !== undefined && { endpointing: { endpointMs } }),
    },
  };
}

/** The fewer fields of a translation. Throws `VALIDATION_ERROR`. */
export function translationRequest(fields: URLSearchParams): FileRequest {
  const reader = new QueryReader(fields);
  const model = reader.text('model') ?? '';
  if (model === '') reader.refuse('model', 'required');
  const format = reader.choice('response_format', new Map(TRANSLATED_FORMATS.map((each) => [each, each]))) ?? 'json';
  reader.number('temperature', 0, 1);
  reader.check();
  return { task: 'translate', model, format, stream: false, words: false, segments: true, logprobs: false, wish: {} };
}

/** `chunking_strategy`: `auto`, an object as JSON, or one in bracketed keys. Of it, only the silence that ends an utterance means something here. */
function silenceMs(reader: QueryReader, fields: URLSearchParams): number | undefined {
  const strategy = reader.text('chunking_strategy');
  if (strategy === undefined) return reader.integer('chunking_strategy[silence_duration_ms]', 10, 10_000);
  if (strategy === 'auto') return undefined;
  try {
    const { silence_duration_ms: silence } = JSON.parse(strategy) as { readonly silence_duration_ms?: unknown };
    fields.set('chunking_strategy[silence_duration_ms]', silence === undefined ? '' : JSON.stringify(silence));
    return reader.integer('chunking_strategy[silence_duration_ms]', 10, 10_000);
  } catch {
    reader.refuse('chunking_strategy', 'auto, or an object of type server_vad');
    return undefined;
  }
}

/**
 * The expected words in a prompt. A list of them is taken as it is. Of sentences only what is written like a name or an abbreviation is
 * taken: ordinary words, preferred, would push out others that sound alike.
 */
export function termsIn(prompt: string): VocabularyTerm[] {
  const terms = new Set<string>();
  for (const part of prompt.split(/[,;:\n.!?()"]+/u)) {
    const words = part.trim().split(/\s+/u).filter((word) => word !== '');
    const isList = words.length <= MAX_TERM_WORDS;
    const telling = isList ? [words.join(' ')] : words.filter((word, index) => /\p{Lu}/u.test(index === 0 ? word.slice(1) : word));
    for (const term of telling) if (/\p{L}{2}|\p{L}\d/u.test(term)) terms.add(term);
  }
  return [...terms].slice(0, MAX_TERMS).map((term) => ({ term, boost: PROMPT_BOOST }));
}

/** The body of the JSON formats. Fields that nothing here knows are absent, or constants that docs/protocol.md names. */
export function fileAnswer(request: FileRequest, transcript: Transcript): object {
  switch (request.format) {
    case 'verbose_json':
      return verboseAnswer(request, transcript);
    case 'diarized_json':
      return { task: 'transcribe', duration: duration(transcript), text: transcriptText(transcript), segments: spokenSegments(transcript), usage: usage(transcript) };
    default: {
      const logprobs = request.logprobs ? logprobsOf(transcript.utterances) : undefined;
      return { text: transcriptText(transcript), ...(logprobs && { logprobs }), usage: usage(transcript) };
    }
  }
}

const duration = ({ durationMs }: Transcript): number => roundedTo(durationMs / 1000, 3);
const usage = ({ durationMs }: Transcript): object => ({ type: 'duration', seconds: Math.ceil(durationMs / 1000) });

function verboseAnswer(request: FileRequest, transcript: Transcript): object {
  const { utterances, language = request.wish.language } = transcript;
  return {
    task: request.task,
    language: language === undefined ? null : (new Intl.DisplayNames(['en'], { type: 'language' }).of(language) ?? language).toLowerCase(),
    duration: duration(transcript),
    text: transcriptText(transcript),
    ...(request.segments && { segments: utterances.map(verboseSegment) }),
    ...(request.words && {
      words: utterances.flatMap(({ words }) => words.map(({ text, startSample, endSample }) => ({ word: text, start: seconds(startSample), end: seconds(endSample) }))),
    }),
    usage: usage(transcript),
  };
}

function verboseSegment({ text, words, startSample, endSample }: Utterance, id: number): object {
  const bytes = Buffer.from(text);
  const confidence = meanConfidence(words);
  return {
    id,
    seek: Math.floor(seconds(startSample) * 100),
    start: seconds(startSample),
    end: seconds(endSample),
    text: ` ${text}`,
    tokens: [],
    temperature: 0,
    avg_logprob: confidence === undefined ? 0 : logprob(confidence),
    compression_ratio: bytes.length === 0 ? 0 : roundedTo(bytes.length / deflateSync(bytes).length, 3),
    no_speech_prob: 0,
  };
}

/** Undefined where the engine tells no confidence. */
function logprobsOf(utterances: readonly Utterance[], isContinued = false): object[] | undefined {
  const words = utterances.flatMap((utterance) => utterance.words);
  if (words.some(({ confidence }) => confidence === undefined)) return undefined;
  return words.map(({ text, confidence = 1 }, index) => {
    const token = index === 0 && !isContinued ? text : ` ${text}`;
    return { token, logprob: logprob(confidence), bytes: [...Buffer.from(token)] };
  });
}

const logprob = (confidence: number): number => roundedTo(Math.log(Math.max(confidence, 1e-6)), 4);

/** What each speaker says in one go. */
function spokenSegments({ utterances }: Transcript): object[] {
  const names = new SpeakerNames();
  return utterances
    .flatMap((utterance) => runsOf(utterance).map((words) => ({ words, speaker: names.of(words[0] ?? {}, utterance) })))
    .map(({ words, speaker }, index) => ({
      type: 'transcript.text.segment',
      id: `seg_${String(index + 1).padStart(3, '0')}`,
      start: seconds(words[0]?.startSample ?? 0),
      end: seconds(words.at(-1)?.endSample ?? 0),
      text: textOf(words),
      speaker,
    }));
}

function runsOf({ words }: Utterance): Word[][] {
  const runs: Word[][] = [];
  for (const word of words) {
    const last = runs.at(-1)?.at(-1);
    if (last && last.speaker?.label === word.speaker?.label && last.speaker?.speakerId === word.speaker?.speakerId) runs.at(-1)?.push(word);
    else runs.push([word]);
  }
  return runs;
}

/** Enrolled speakers by their names, others as A, B, ... Z, AA, in the order of their first word. */
class SpeakerNames {
  readonly #letters = new Map<string, string>();

  of(word: Pick<Word, 'speaker'>, utterance: Utterance): string {
    const speaker = word.speaker ?? utterance.speaker;
    if (speaker && speaker.speakerId !== null) return speaker.label;
    const key = speaker?.label ?? `channel ${String(utterance.laneIndex)}`;
    const letters = this.#letters.get(key) ?? lettersOf(this.#letters.size);
    this.#letters.set(key, letters);
    return letters;
  }
}

function lettersOf(index: number): string {
  const rest = Math.floor(index / 26);
  return `${rest > 0 ? lettersOf(rest - 1) : ''}${String.fromCharCode(65 + (index % 26))}`;
}

/**
 * The streamed answer, as server-sent events. Text is only ever added: each final is a delta, and all deltas together are the text of the end.
 * Who spoke is known for sure when all is heard, so segments come then.
 */
export class FileAnswerStream {
  readonly #request: FileRequest;
  readonly #said: Utterance[] = [];

  constructor(request: FileRequest) {
    this.#request = request;
  }

  /** What one event of the session adds, perhaps nothing. */
  encode(event: NumberedEvent): string {
    if (event.type !== 'utterance.final' || event.utterance.words.length === 0) return '';
    const { utterance } = event;
    const isContinued = this.#said.length > 0;
    this.#said.push(utterance);
    const logprobs = this.#request.logprobs ? logprobsOf([utterance], isContinued) : undefined;
    return serverSent({ type: 'transcript.text.delta', delta: isContinued ? ` ${utterance.text}` : utterance.text, ...(logprobs && { logprobs }) });
  }

  end(transcript: Transcript): string {
    const segments = this.#request.format === 'diarized_json' ? spokenSegments(transcript) : [];
    const logprobs = this.#request.logprobs ? logprobsOf(this.#said) : undefined;
    const text = this.#said.map((utterance) => utterance.text).join(' ');
    return [...segments, { type: 'transcript.text.done', text, ...(logprobs && { logprobs }) }].map(serverSent).join('');
  }

  fail(error: EarshotError): string {
    return serverSent({ error: openaiError(error) });
  }
}

const serverSent = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
