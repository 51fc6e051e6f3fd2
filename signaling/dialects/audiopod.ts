import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { EarshotError, type ErrorDetail } from '../../src/core/errors.ts';
import { SESSION_LIMITS } from '../../src/core/session/session.ts';
import type { LaneTotals, NumberedEvent, Utterance, UtteranceEnd } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import { audioPodFault, audioPodRefusal, audioPodWord, credits } from './audiopod-results.ts';
import type { Command, Conversation, DialectAddress, Farewell, OpenedSession, StreamDialect, StreamRequest } from './dialect.ts';
import { authorization, invalid, jsonObject, seconds } from './fields.ts';

/** Base of the vendor's REST routes too. */
export const AUDIOPOD_BASE = '/api/v1/transcription';
const BYTES_PER_SECOND = 2 * SAMPLE_RATE_HZ;
const MAX_FRAME_BYTES = 1024 * 1024;
const USAGE_EVERY_MS = 5000;
const MAX_SECONDS = SESSION_LIMITS.maxDurationMs / 1000;
/** What clients send where they do not know the language. */
const ANY_LANGUAGE: readonly unknown[] = [undefined, null, '', 'auto', 'multi'];

/** AudioPod's live transcription (`/api/v1/transcription/stream`). */
export const AUDIOPOD: StreamDialect = {
  id: 'audiopod',
  paths: [`${AUDIOPOD_BASE}/stream`],
  credential: audioPodSecret,
  converse: () => new AudioPodConversation(),
  refuse: audioPodRefusal,
};

/**
 * Where the vendor's clients put their key. Some of them take no key that does not begin with `ap_`: before a key or token of this
 * server, that is left out.
 */
export function audioPodSecret({ headers, query }: Pick<DialectAddress, 'headers' | 'query'>): string | undefined {
  const secret = authorization(headers, 'Bearer') ?? [headers['x-api-key']].flat()[0] ?? query.get('api_key') ?? query.get('token') ?? undefined;
  return secret?.replace(/^ap_(?=sgk_|eyJ)/, '');
}

/** `start`, audio, `end`; every answer but the first, `ready`, may be missing. Audio beyond the longest duration is not heard. */
class AudioPodConversation implements Conversation {
  #session: OpenedSession = { jobNumber: null, maxSeconds: MAX_SECONDS, isPreview: false };
  #leftBytes = Infinity;
  #started = false;
  #ended = false;
  #tooLong = false;
  #heardSamples: number | undefined;

  opened(session: OpenedSession): void {
    this.#session = session;
    this.#leftBytes = session.maxSeconds * BYTES_PER_SECOND;
  }

  decode(message: WireMessage): readonly Command[] {
    if (this.#ended) return [];
    if (typeof message !== 'string') return this.#hear(message);
    const control = jsonObject(message);
    if (!this.#started) {
      if (control?.['type'] !== 'start') throw new EarshotError('MESSAGE_MALFORMED', 'The first message is "start".');
      this.#started = true;
      return [{ type: 'open', request: startRequest(control) }];
    }
    if (control?.['type'] === 'start') throw new EarshotError('MESSAGE_MALFORMED', 'The session has started already.');
    return control?.['type'] === 'end' ? this.#end() : [];
  }

  encode(event: NumberedEvent): readonly string[] {
    return this.#messages(event).map((message) => JSON.stringify(message));
  }

  fail(error: EarshotError): Farewell {
    const [code, closeCode] = audioPodFault(error, this.#heardSamples !== undefined);
    const messages: object[] = [{ type: 'error', code, message: error.message }];
    // What was heard is saved; who reads on past the error is told where.
    if (code === 'MAX_DURATION_REACHED' && this.#heardSamples !== undefined) messages.push(this.#completed(this.#heardSamples));
    return { messages: messages.map((message) => JSON.stringify(message)), closeCode, reason: code };
  }

  #hear(bytes: Uint8Array): readonly Command[] {
    if (!this.#started) throw new EarshotError('MESSAGE_MALFORMED', 'Audio comes after "start".');
    if (bytes.length > MAX_FRAME_BYTES) throw new EarshotError('MESSAGE_TOO_LARGE', 'A piece of audio has at most 1 MiB.');
    if (bytes.length === 0) return [];
    const allowed = bytes.subarray(0, this.#leftBytes);
    this.#leftBytes -= allowed.length;
    const audio: readonly Command[] = allowed.length > 0 ? [{ type: 'audio', bytes: allowed }] : [];
    if (allowed.length === bytes.length) return audio;
    this.#tooLong = true;
    return [...audio, ...this.#end()];
  }

  #end(): readonly Command[] {
    this.#ended = true;
    return [{ type: 'finish' }];
  }

  #messages(event: NumberedEvent): readonly object[] {
    switch (event.type) {
      case 'session.ready':
        return [{ type: 'ready', job_id: this.#session.jobNumber, session_id: event.sessionId, taste: this.#session.isPreview, max_duration_seconds: this.#session.maxSeconds }];
      case 'utterance.interim':
        return [{ type: 'partial', text: event.utterance.text }];
      case 'utterance.final':
        return [final(event.utterance, event.endedBy)];
      case 'lane.progress':
        return [{ type: 'usage', credits_used: credits(event.heardSamples) }];
      case 'session.closed':
        this.#heardSamples = longest(event.lanes);
        if (event.error) return [];
        if (!this.#tooLong) return [this.#completed(this.#heardSamples)];
        return [
          { type: 'error', code: 'MAX_DURATION_REACHED', message: `The session may have ${String(this.#session.maxSeconds)} seconds of audio.` },
          this.#completed(this.#heardSamples),
        ];
      default:
        return [];
    }
  }

  #completed(heardSamples: number): object {
    const { jobNumber } = this.#session;
    return {
      type: 'completed',
      job_id: jobNumber,
      credits_used: credits(heardSamples),
      streamed_seconds: seconds(heardSamples),
      transcript_path: jobNumber === null ? null : `${AUDIOPOD_BASE}/jobs/${String(jobNumber)}/transcript`,
    };
  }
}

/** Interims that turned out to be nothing are replaced by nothing. */
function final(utterance: Utterance, endedBy: UtteranceEnd): object {
  if (utterance.words.length === 0) return { type: 'partial', text: '' };
  return { type: 'final', text: utterance.text, speech_final: endedBy !== 'length', words: utterance.words.map(audioPodWord) };
}

function startRequest(start: Record<string, unknown>): StreamRequest {
  const details: ErrorDetail[] = [];
  const { sample_rate: sampleRateHz = SAMPLE_RATE_HZ, channels = 1, diarize = false, max_duration_seconds: maxSeconds } = start;
  if (sampleRateHz !== SAMPLE_RATE_HZ) details.push({ field: 'sample_rate', message: `must be ${String(SAMPLE_RATE_HZ)}` });
  if (channels !== 1) details.push({ field: 'channels', message: 'must be 1' });
  if (typeof diarize !== 'boolean') details.push({ field: 'diarize', message: 'must be true or false' });
  if (maxSeconds !== undefined && !(Number.isInteger(maxSeconds) && Number(maxSeconds) >= 1)) details.push({ field: 'max_duration_seconds', message: 'must be an integer from 1' });
  const language = audioPodLanguage(start['language'], details);
  if (details.length > 0) throw invalid(details);
  return {
    format: { container: 'raw', encoding: 's16', sampleRateHz: SAMPLE_RATE_HZ, channels: 1 },
    progressMs: USAGE_EVERY_MS,
    ...(language !== undefined && { language }),
    ...(diarize === true && { diarize }),
    ...(typeof maxSeconds === 'number' && { limits: { maxDurationMs: Math.min(maxSeconds, MAX_SECONDS) * 1000 } }),
  };
}

/** The first part of a language tag; undefined for whatever is spoken. */
export function audioPodLanguage(value: unknown, details: ErrorDetail[]): string | undefined {
  if (ANY_LANGUAGE.includes(value)) return undefined;
  const primary = typeof value === 'string' ? /^([a-z]{2,3})(?:[-_][\w-]*)?$/i.exec(value)?.[1]?.toLowerCase() : undefined;
  if (primary === undefined) details.push({ field: 'language', message: 'must be a language code such as en' });
  return primary;
}

const longest = (lanes: readonly LaneTotals[]): number => Math.max(0, ...lanes.map(({ heardSamples }) => heardSamples));
