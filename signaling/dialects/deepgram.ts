import { createHash, randomUUID } from 'node:crypto';
import { msToSamples } from '../../src/core/audio.ts';
import type { EarshotError } from '../../src/core/errors.ts';
import type { Analysis, AnalysisRequest } from '../../src/core/text-analysis.ts';
import type { NumberedEvent, Utterance, Word } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import { DeepgramFindings, deepgramLiveAnalysis } from './deepgram-analysis.ts';
import { type DeepgramOptions, deepgramOptions } from './deepgram-options.ts';
import { alternative, deepgramError, modelInfo, MODEL_UUID } from './deepgram-results.ts';
import type { Command, Conversation, DialectAddress, Farewell, StreamDialect, StreamRequest } from './dialect.ts';
import { authorization, jsonObject, QueryReader, seconds, SpeakerNumbers } from './fields.ts';

const DEFAULT_ENDPOINTING_MS = 10;
/** What is less becomes this. */
const MIN_ENDPOINTING_MS = 10;
/** The vendor's limit for a stream that sends neither audio nor a KeepAlive. */
const MAX_IDLE_MS = 10_000;
/** How exactly the end of an utterance is told; the vendor takes no gap under 1000. */
const PROGRESS_MS = 250;

/** What the address of a stream asks for. */
interface StreamOptions {
  readonly request: StreamRequest;
  readonly analysis: AnalysisRequest | undefined;
  readonly channels: number;
  readonly interimResults: boolean;
  readonly vadEvents: boolean;
  readonly punctuated: boolean;
  /** Undefined: speakers are not wanted. */
  readonly speakers: SpeakerNumbers | undefined;
  /** Undefined: UtteranceEnd is not wanted. */
  readonly utteranceEndSamples: number | undefined;
  readonly echoed: DeepgramOptions['echoed'];
}

interface ResultState {
  readonly isFinal: boolean;
  readonly speechFinal: boolean;
  /** What a language model found in it, where that was asked for. */
  readonly found?: Analysis | undefined;
}

/** Deepgram's live transcription (`/v1/listen`). */
export const DEEPGRAM: StreamDialect = {
  id: 'deepgram',
  paths: ['/v1/listen'],
  credential: ({ headers, protocols }) => {
    const scheme = protocols.findIndex((protocol) => protocol === 'token' || protocol === 'bearer');
    return authorization(headers, 'Token', 'Bearer') ?? (scheme < 0 ? undefined : (protocols[scheme + 1] ?? ''));
  },
  subprotocol: (offered) => offered.find((protocol) => protocol === 'token' || protocol === 'bearer'),
  upgradeHeaders: ({ requestId }) => ({ 'dg-request-id': requestId }),
  converse: (address) => new DeepgramConversation(address),
  refuse: deepgramError,
};

/**
 * Audio time is what counts: `start` of a result is the end of the final one before it on the same channel.
 * What a `Finalize` brings out is held until it is whole, so that its last result can say `from_finalize`.
 */
class DeepgramConversation implements Conversation {
  readonly opening: StreamRequest;
  readonly analysis: AnalysisRequest | undefined;
  readonly #options: StreamOptions;
  readonly #requestId: string;
  readonly #createdAt = new Date();
  readonly #hash = createHash('sha256');
  /** Per channel, in samples. */
  readonly #windowStart: number[];
  readonly #lastWordEnd: (number | undefined)[];
  #language: () => string | undefined = () => undefined;
  #finalizing = 0;
  #held: object[] = [];
  #finished = false;

  constructor(address: DialectAddress) {
    this.#options = streamOptions(address.query);
    this.#requestId = address.requestId;
    this.opening = this.#options.request;
    this.analysis = this.#options.analysis;
    this.#windowStart = Array.from({ length: this.#options.channels }, () => 0);
    this.#lastWordEnd = Array.from({ length: this.#options.channels }, () => undefined);
  }

  hears(language: () => string | undefined): void {
    this.#language = language;
  }

  decode(message: WireMessage): readonly Command[] {
    if (this.#finished) return [];
    if (typeof message !== 'string') {
      if (message.length === 0) return this.#finish();
      this.#hash.update(message);
      return [{ type: 'audio', bytes: message }];
    }
    switch (jsonObject(message)?.['type']) {
      case 'KeepAlive':
        return [{ type: 'keep-alive' }];
      case 'Finalize':
        this.#finalizing += 1;
        return [{ type: 'flush' }];
      case 'CloseStream':
        return this.#finish();
      default:
        // The vendor's clients send what this server does not know (`Configure`); it changes nothing.
        return [];
    }
  }

  encode(event: NumberedEvent, found?: Analysis): readonly string[] {
    return this.#messages(event, found).map((message) => JSON.stringify(message));
  }

  fail(error: EarshotError): Farewell {
    const [closeCode, code] = closing(error);
    const message = { type: 'Error', variant: code, description: error.message, message: error.message };
    return { messages: [JSON.stringify(message)], closeCode, reason: `${code}: ${error.message}` };
  }

  #finish(): readonly Command[] {
    this.#finished = true;
    return [{ type: 'finish' }];
  }

  #messages(event: NumberedEvent, found?: Analysis): readonly object[] {
    switch (event.type) {
      case 'speech.started':
        this.#lastWordEnd[event.laneIndex] = undefined;
        if (!this.#options.vadEvents) return [];
        return [{ type: 'SpeechStarted', channel: this.#channel(event.laneIndex), timestamp: seconds(event.atSample) }];
      case 'utterance.interim':
        return this.#options.interimResults ? [this.#results(event.utterance, { isFinal: false, speechFinal: false })] : [];
      case 'utterance.final':
        return this.#final(event.utterance, { isFinal: true, speechFinal: event.endedBy === 'silence', found });
      case 'lane.progress':
        return this.#utteranceEnd(event.laneIndex, event.heardSamples);
      case 'session.flushed':
        return this.#finalized();
      case 'session.closed':
        return event.error ? [] : [...this.#held.splice(0), this.#metadata(event)];
      default:
        return [];
    }
  }

  #final(utterance: Utterance, state: ResultState): readonly object[] {
    const results = this.#results(utterance, state);
    this.#windowStart[utterance.laneIndex] = Math.max(this.#windowStart[utterance.laneIndex] ?? 0, utterance.endSample);
    this.#lastWordEnd[utterance.laneIndex] = utterance.words.at(-1)?.endSample;
    if (this.#finalizing === 0) return [results];
    this.#held.push(results);
    return [];
  }

  /** The answer to one Finalize: what was held, the last of it marked; or, with nothing to finalize, an empty result. */
  #finalized(): readonly object[] {
    this.#finalizing -= 1;
    const results = this.#held.splice(0);
    const last = results.pop() ?? this.#results(nothing(this.#windowStart[0] ?? 0), { isFinal: true, speechFinal: false });
    return [...results, { ...last, from_finalize: true }];
  }

  #results(utterance: Utterance, state: ResultState): object {
    const startSample = Math.min(this.#windowStart[utterance.laneIndex] ?? 0, utterance.startSample);
    const { extra } = this.#options.echoed;
    // Of one that was named there is nothing to tell.
    const language = state.isFinal && this.#options.request.language === undefined ? this.#language() : undefined;
    const lanes: (readonly Word[])[] = [];
    lanes[utterance.laneIndex] = utterance.words;
    const findings = state.found && new DeepgramFindings(state.found, lanes);
    return {
      type: 'Results',
      channel_index: this.#channel(utterance.laneIndex),
      duration: seconds(utterance.endSample - startSample),
      start: seconds(startSample),
      is_final: state.isFinal,
      speech_final: state.speechFinal,
      from_finalize: false,
      channel: { alternatives: [{ ...alternative(utterance.words, this.#options), ...(language !== undefined && { languages: [language] }), ...findings?.entities(utterance.laneIndex) }] },
      metadata: { request_id: this.#requestId, model_info: modelInfo(), model_uuid: MODEL_UUID, ...(extra && { extra }), ...findings?.warnings() },
    };
  }

  #utteranceEnd(laneIndex: number, heardSamples: number): readonly object[] {
    const { utteranceEndSamples } = this.#options;
    const lastWordEnd = this.#lastWordEnd[laneIndex];
    if (utteranceEndSamples === undefined || lastWordEnd === undefined || heardSamples - lastWordEnd < utteranceEndSamples) return [];
    this.#lastWordEnd[laneIndex] = undefined;
    return [{ type: 'UtteranceEnd', channel: this.#channel(laneIndex), last_word_end: seconds(lastWordEnd) }];
  }

  #metadata(event: NumberedEvent & { readonly type: 'session.closed' }): object {
    return {
      type: 'Metadata',
      transaction_key: 'deprecated',
      request_id: this.#requestId,
      sha256: this.#hash.copy().digest('hex'),
      created: this.#createdAt.toISOString(),
      duration: seconds(Math.max(0, ...event.lanes.map((lane) => lane.heardSamples))),
      channels: this.#options.channels,
      models: [MODEL_UUID],
      model_info: { [MODEL_UUID]: modelInfo() },
      ...this.#options.echoed,
    };
  }

  #channel(laneIndex: number): readonly number[] {
    return [laneIndex, this.#options.channels];
  }
}

function streamOptions(query: URLSearchParams): StreamOptions {
  const reader = new QueryReader(query);
  const { format, multichannel, diarize, punctuated, language, text, echoed } = deepgramOptions(reader);
  const interimResults = reader.flag('interim_results');
  const utteranceEndMs = reader.integer('utterance_end_ms', 1000, 60_000);
  const vadEvents = reader.flag('vad_events');
  if (utteranceEndMs !== undefined && !interimResults) reader.refuse('utterance_end_ms', 'needs interim_results=true');
  if (reader.text('callback') !== undefined) reader.refuse('callback', 'not offered for live audio: results come on the socket');
  const analysis = deepgramLiveAnalysis(reader);
  const endpointMs = endpointing(reader);
  reader.check();
  return {
    analysis,
    channels: multichannel ? (format.channels ?? 1) : 1,
    interimResults,
    vadEvents,
    punctuated,
    speakers: diarize ? new SpeakerNumbers() : undefined,
    utteranceEndSamples: utteranceEndMs === undefined ? undefined : msToSamples(utteranceEndMs),
    echoed,
    request: {
      format,
      endpointing: { endpointMs },
      limits: { maxIdleMs: MAX_IDLE_MS },
      ...(language !== undefined && { language }),
      ...(diarize && { diarize }),
      ...(text && { text }),
      ...(utteranceEndMs !== undefined && { progressMs: PROGRESS_MS }),
    },
  };
}

/** `false`: only a Finalize ends an utterance, or its length. */
function endpointing(reader: QueryReader): number {
  const value = reader.text('endpointing');
  if (value === undefined || value === 'true') return DEFAULT_ENDPOINTING_MS;
  if (value === 'false') return Infinity;
  return Math.max(MIN_ENDPOINTING_MS, reader.integer('endpointing', 0, 10_000) ?? DEFAULT_ENDPOINTING_MS);
}

/** The vendor's close code and the code in its reason. */
function closing(error: EarshotError): readonly [number, string] {
  if (error.code.startsWith('AUDIO_')) return [1008, 'DATA-0000'];
  if (error.code === 'SESSION_IDLE') return [1011, 'NET-0001'];
  return error.rule.closeCode === 1011 ? [1011, 'NET-0000'] : [error.rule.closeCode, error.code];
}

const nothing = (atSample: number): Utterance => ({ id: randomUUID(), laneIndex: 0, text: '', words: [], startSample: atSample, endSample: atSample, stableWords: 0 });
