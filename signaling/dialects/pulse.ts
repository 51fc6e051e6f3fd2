import type { AudioFormat } from '../../src/core/audio.ts';
import type { EarshotError } from '../../src/core/errors.ts';
import type { TextOptions } from '../../src/core/text-options.ts';
import type { NumberedEvent, Utterance } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import type { Command, Conversation, DialectAddress, Farewell, StreamDialect, StreamRequest } from './dialect.ts';
import { authorization, invalid, jsonObject, QueryReader, seconds, SpeakerNumbers } from './fields.ts';
import { WordCuts } from './pulse-cuts.ts';
import { pulseOptions } from './pulse-options.ts';
import { contentExpiry, pulseError, pulseUtterance, pulseWord, redactedEntities } from './pulse-results.ts';

const UNIFIED_PATH = '/waves/v1/stt/live';
/** Where a model has to be named in the path, or need not be named at all. */
const OLDER_PATHS = ['/waves/v1/pulse/get_text', '/waves/v1/lightning/get_text', '/api/v1/:model/get_text'];

const ENCODINGS = new Map<string, Pick<AudioFormat, 'container' | 'encoding'>>([
  ['linear16', { container: 'raw', encoding: 's16' }],
  ['linear32', { container: 'raw', encoding: 's32' }],
  ['mulaw', { container: 'raw', encoding: 'mulaw' }],
  ['alaw', { container: 'raw', encoding: 'alaw' }],
  ['opus', { container: 'opus-packets' }],
  ['ogg_opus', { container: 'ogg' }],
]);
const SAMPLE_RATES = new Map(['8000', '16000', '22050', '24000', '44100', '48000'].map((rate) => [rate, Number(rate)]));
const DEFAULT_END_OF_UTTERANCE_MS = 800;

interface StreamOptions {
  readonly request: StreamRequest;
  readonly words: boolean;
  readonly utterances: boolean;
  /** Undefined: speakers are not wanted. */
  readonly speakers: SpeakerNumbers | undefined;
  readonly vadEvents: boolean;
  readonly fullTranscript: boolean;
  /** Undefined: utterances are as long as they are. */
  readonly cuts: WordCuts | undefined;
}

/** smallest.ai's Pulse, live (`/waves/v1/stt/live` and the paths before it). */
export const PULSE: StreamDialect = {
  id: 'pulse',
  paths: [UNIFIED_PATH, ...OLDER_PATHS],
  credential: ({ headers, query }) => authorization(headers, 'Bearer') ?? query.get('token') ?? query.get('api_key') ?? undefined,
  converse: (address) => new PulseConversation(address),
  upgradeHeaders: ({ requestId, headers }) => ({ 'x-request-id': requestId, ...contentExpiry(headers) }),
  refuse: pulseError,
};

/**
 * Partials replace each other until the next final, and every final has its own text only. A `finalize` is answered by exactly
 * one message: what it brings out is held until it is whole.
 */
class PulseConversation implements Conversation {
  readonly opening: StreamRequest;
  readonly #options: StreamOptions;
  readonly #sessionId: string;
  #language: () => string | undefined = () => undefined;
  #fullTranscript = '';
  #finalizing = 0;
  #held: Utterance[] = [];
  #finished = false;

  constructor(address: DialectAddress) {
    this.#options = streamOptions(address);
    this.#sessionId = address.requestId;
    this.opening = this.#options.request;
  }

  hears(language: () => string | undefined): void {
    this.#language = language;
  }

  decode(message: WireMessage): readonly Command[] {
    if (this.#finished) return [];
    if (typeof message !== 'string') return message.length > 0 ? [{ type: 'audio', bytes: message }] : [];
    const control = jsonObject(message);
    if (control?.['type'] === 'finalize') {
      this.#finalizing += 1;
      return [{ type: 'flush' }];
    }
    if (control?.['type'] === 'close_stream' || control?.['type'] === 'end' || control?.['flag'] === 'END') {
      this.#finished = true;
      return [{ type: 'finish' }];
    }
    return [];
  }

  encode(event: NumberedEvent): readonly string[] {
    return this.#messages(event).map((message) => JSON.stringify(message));
  }

  fail(error: EarshotError): Farewell {
    return { messages: [JSON.stringify({ type: 'error', status: 'error', message: error.message, error_code: error.code })], closeCode: error.rule.closeCode };
  }

  #messages(event: NumberedEvent): readonly object[] {
    switch (event.type) {
      case 'speech.started':
      case 'speech.ended':
        if (!this.#options.vadEvents) return [];
        return [{ type: event.type === 'speech.started' ? 'speech_started' : 'speech_ended', session_id: this.#sessionId, timestamp: seconds(event.atSample) }];
      case 'utterance.interim':
        return this.#interim(event.utterance);
      case 'utterance.final':
        return this.#settled(event.utterance);
      case 'session.flushed':
        this.#finalizing -= 1;
        return [{ ...this.#final(this.#held.splice(0)), from_finalize: true }];
      case 'session.closed':
        return event.error ? [] : [{ ...this.#final(this.#held.splice(0)), is_last: true }];
      default:
        return [];
    }
  }

  /** Once the client has closed, what is left belongs into the one last message; so does what a finalize brings out. */
  get #holds(): boolean {
    return this.#finished || this.#finalizing > 0;
  }

  #interim(utterance: Utterance): readonly object[] {
    const { pieces, rest } = this.#options.cuts?.interim(utterance, this.#holds) ?? { pieces: [], rest: utterance };
    return [...pieces.map((piece) => this.#final([piece])), this.#transcription(rest.text, { isFinal: false })];
  }

  #settled(utterance: Utterance): readonly object[] {
    const { pieces, rest } = this.#options.cuts?.final(utterance) ?? { pieces: [], rest: utterance };
    if (!this.#holds) return [...pieces, rest].map((piece) => this.#final([piece]));
    this.#held.push(...pieces, rest);
    return [];
  }

  #final(utterances: readonly Utterance[]): object {
    const text = utterances.map((utterance) => utterance.text).join(' ').trim();
    this.#fullTranscript = `${this.#fullTranscript} ${text}`.trim();
    const language = this.#options.request.language ?? this.#language();
    const { speakers } = this.#options;
    return {
      ...this.#transcription(text, { isFinal: true }),
      ...(language !== undefined && { language, languages: [language] }),
      ...(this.#options.words && { words: utterances.flatMap(({ words }) => words.map((word) => pulseWord(word, speakers))) }),
      ...(this.#options.utterances && { utterances: utterances.map((utterance) => pulseUtterance(utterance, speakers)) }),
      ...(this.opening.text?.redact && { redacted_entities: redactedEntities(utterances) }),
    };
  }

  #transcription(text: string, { isFinal }: { readonly isFinal: boolean }): object {
    return {
      type: 'transcription',
      status: 'success',
      session_id: this.#sessionId,
      transcript: text,
      transcription: text,
      is_final: isFinal,
      is_last: false,
      ...(this.#options.fullTranscript && { full_transcript: isFinal ? this.#fullTranscript : `${this.#fullTranscript} ${text}`.trim() }),
    };
  }
}

function streamOptions({ path, query, params }: DialectAddress): StreamOptions {
  const isUnified = path === UNIFIED_PATH;
  checkModel(isUnified ? query.get('model') : params['model'], isUnified);
  const reader = new QueryReader(query);
  const encoding = reader.choice('encoding', ENCODINGS) ?? { container: 'raw', encoding: 's16' };
  const sampleRateHz = reader.choice('sample_rate', SAMPLE_RATES) ?? 16_000;
  const { language, diarize, text } = pulseOptions(reader);
  const endOfUtteranceMs = reader.integer('eou_timeout_ms', 100, 10_000) ?? DEFAULT_END_OF_UTTERANCE_MS;
  const endpointing = reader.flag('endpointing', true);
  const options = {
    words: reader.flag('word_timestamps', !isUnified),
    utterances: reader.flag('sentence_timestamps'),
    speakers: diarize ? new SpeakerNumbers() : undefined,
    vadEvents: query.has('vad_events') ? reader.flag('vad_events') : reader.flag('vad'),
    fullTranscript: reader.flag('full_transcript'),
    cuts: wordCuts(reader, text),
  };
  reader.check();
  return {
    ...options,
    request: {
      format: { ...encoding, sampleRateHz, channels: 1 },
      endpointing: { endpointMs: endpointing ? endOfUtteranceMs : Infinity },
      ...(language !== undefined && { language }),
      ...(diarize && { diarize }),
      ...(text && { text }),
    },
  };
}

/** Numbers and what is blacked out are only known at the end, so then interims are not cut. */
function wordCuts(reader: QueryReader, text: TextOptions | undefined): WordCuts | undefined {
  const maxWords = reader.integer('max_words', 1, 10_000);
  return maxWords !== undefined && reader.flag('finalize_on_words', true) ? new WordCuts(maxWords, text === undefined) : undefined;
}

/** The unified path needs a model that streams; the older ones have it in the path, or do not look. */
function checkModel(model: string | null | undefined, isRequired: boolean): void {
  if (model === 'pulse-pro') {
    throw invalid([{ field: 'model', message: 'pulse-pro does not stream; POST the file to /waves/v1/stt/?model=pulse-pro' }]);
  }
  if (isRequired && model !== 'pulse') throw invalid([{ field: 'model', message: 'required: pulse' }]);
}
