import { EarshotError } from '../../src/core/errors.ts';
import { samplesToMs } from '../../src/core/audio.ts';
import type { NumberedEvent } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import type { Command, Conversation, DialectAddress, Farewell, StreamDialect } from './dialect.ts';
import { base64Bytes, jsonObject } from './fields.ts';
import { openaiError, openaiRefusal } from './openai-error.ts';
import {
  endpointingOf,
  fixedField,
  legacySessionObject,
  msOfBytes,
  patched,
  type RealtimeRefusal,
  type RealtimeSettings,
  requestOf,
  sessionObject,
} from './openai-realtime-settings.ts';
import { openaiCredential, settingsOfSecret } from './openai-secret.ts';
import { RealtimeTurns, type ServerEvent } from './openai-realtime-turns.ts';

const LEGACY_PROTOCOL = 'openai-beta.realtime-v1';
/** Less than this cannot be committed. */
const MIN_COMMIT_MS = 100;
/** Clients connect before anybody speaks. */
const OPEN_TIMEOUT_MS = 15 * 60_000;
const SESSION_SECONDS = 3 * 3600;

/** OpenAI's realtime API, transcription sessions (`/v1/realtime`). */
export const OPENAI_REALTIME: StreamDialect = {
  id: 'openai-realtime',
  paths: ['/v1/realtime'],
  credential: openaiCredential,
  // A browser drops the connection if its key comes back, or if nothing does.
  subprotocol: (offered) => offered.find((protocol) => protocol === 'realtime'),
  upgradeHeaders: ({ requestId }) => ({ 'x-request-id': requestId }),
  converse: (address) => {
    // Sockets beside a call do not come here.
    if (address.query.has('call_id')) throw new EarshotError('NOT_FOUND', 'There is no such call.');
    return new RealtimeConversation({ requestId: address.requestId, isLegacy: isLegacy(address), settings: settingsOfSecret(address) });
  },
  refuse: openaiRefusal,
};

/** The conversation of a session that has its audio from elsewhere already; `heardMs` tells how much. */
export function callConversation(options: Required<Omit<ConversationOptions, 'isLegacy'>>): RealtimeConversation {
  return new RealtimeConversation({ ...options, isLegacy: false });
}

interface ConversationOptions {
  readonly requestId: string;
  /** Speaks as before the general release. */
  readonly isLegacy: boolean;
  readonly settings: RealtimeSettings;
  readonly heardMs?: (() => number) | undefined;
}

/**
 * Settings come first, then audio: the session is opened with the first of it, and from then on only the end of turns can be changed. What a client
 * asks wrongly is answered by an `error` event and changes nothing.
 */
export class RealtimeConversation implements Conversation {
  readonly openTimeoutMs = OPEN_TIMEOUT_MS;
  readonly #isLegacy: boolean;
  readonly #prefix: string;
  readonly #identity: object;
  readonly #turns: RealtimeTurns;
  #settings: RealtimeSettings;
  readonly #heardMs: (() => number) | undefined;
  #opened: boolean;
  #events = 0;
  #sentMs = 0;
  /** Of what was appended, this much is no more in the buffer. */
  #takenMs = 0;

  constructor(options: ConversationOptions) {
    this.#isLegacy = options.isLegacy;
    this.#settings = options.settings;
    this.#heardMs = options.heardMs;
    this.#opened = options.heardMs !== undefined;
    this.#prefix = options.requestId.replaceAll('-', '').slice(0, 16);
    this.#identity = { id: `sess_${this.#prefix}`, expires_at: Math.floor(Date.now() / 1000) + SESSION_SECONDS };
    this.#turns = new RealtimeTurns({ prefix: this.#prefix, isManual: this.#isManual, hasCreatedEvents: this.#isLegacy });
  }

  begin(): readonly Command[] {
    return this.#say(this.#sessionEvent('created', this.#isLegacy));
  }

  decode(message: WireMessage): readonly Command[] {
    const event = typeof message === 'string' ? jsonObject(message) : undefined;
    if (!event) return this.#refuse(undefined, invalid('invalid_json', 'Send JSON objects in text frames; audio is base64 in input_audio_buffer.append.', null));
    switch (event['type']) {
      case 'session.update':
      case 'transcription_session.update':
        return this.#update(event);
      case 'input_audio_buffer.append':
        return this.#append(event);
      case 'input_audio_buffer.commit':
        return this.#commit(event);
      case 'input_audio_buffer.clear':
        return this.#clear();
      default:
        return this.#refuse(event, invalid('invalid_value', `This server transcribes; it has no event ${JSON.stringify(event['type'])}.`, 'type'));
    }
  }

  encode(event: NumberedEvent): readonly string[] {
    const { silenceMs } = this.#settings;
    if (event.type === 'speech.ended' && silenceMs !== null) {
      this.#takenMs = Math.max(this.#takenMs, Math.min(this.#appendedMs, samplesToMs(event.atSample) + silenceMs));
    }
    return this.#wire(this.#turns.events(event));
  }

  fail(error: EarshotError): Farewell {
    const { code, message } = openaiError(error);
    const last = { type: 'error', error: { ...openaiError(error), event_id: null } };
    return { messages: this.#wire([...this.#turns.abandon({ code, message }), last]), closeCode: error.rule.closeCode };
  }

  get #appendedMs(): number {
    return this.#heardMs?.() ?? this.#sentMs;
  }

  get #isManual(): boolean {
    return this.#settings.silenceMs === null;
  }

  #update(event: Record<string, unknown>): readonly Command[] {
    const before = this.#settings;
    const after = patched(before, event['session']);
    if ('refusal' in after) return this.#refuse(event, after.refusal);
    const fixed = this.#opened ? fixedField(before, after) : undefined;
    if (fixed !== undefined) return this.#refuse(event, invalid('invalid_value', `'${fixed}' cannot be changed once audio was sent.`, fixed));
    this.#settings = after;
    return [...this.#say(this.#sessionEvent('updated', event['type'] === 'transcription_session.update')), ...this.#reconfigure(before, after)];
  }

  #reconfigure(before: RealtimeSettings, after: RealtimeSettings): readonly Command[] {
    if (!this.#opened) {
      this.#turns.begin(this.#isManual);
      return [];
    }
    if (before.silenceMs === after.silenceMs) return [];
    const endpointing: Command = { type: 'endpointing', options: endpointingOf(after.silenceMs) };
    if ((before.silenceMs === null) === this.#isManual) return [endpointing];
    // Of a turn that is under way, each half goes by its own rule.
    this.#turns.setManual(this.#isManual);
    return [{ type: 'flush' }, endpointing];
  }

  #append(event: Record<string, unknown>): readonly Command[] {
    const { audio } = event;
    if (this.#heardMs) return this.#refuse(event, invalid('invalid_value', 'The audio of a call comes by its track.', 'type'));
    const bytes = typeof audio === 'string' ? base64Bytes(audio) : undefined;
    if (!bytes) return this.#refuse(event, invalid('invalid_value', 'audio is not base64.', 'audio'));
    if (bytes.length === 0) return [];
    this.#sentMs += msOfBytes(this.#settings.format, bytes.length);
    const commands: Command[] = this.#opened ? [] : [{ type: 'open', request: requestOf(this.#settings) }];
    this.#opened = true;
    return [...commands, { type: 'audio', bytes }];
  }

  #commit(event: Record<string, unknown>): readonly Command[] {
    const bufferedMs = this.#appendedMs - this.#takenMs;
    if (bufferedMs < MIN_COMMIT_MS) {
      const message = `The buffer is too small: ${bufferedMs.toFixed(2)} ms of audio, and a commit takes at least ${String(MIN_COMMIT_MS)} ms.`;
      return this.#refuse(event, invalid('input_audio_buffer_commit_empty', message, null));
    }
    const told = this.#turns.commit({ startMs: this.#takenMs, endMs: this.#appendedMs }, this.#isManual);
    this.#takenMs = this.#appendedMs;
    return [...this.#say(...told), { type: 'flush' }];
  }

  #clear(): readonly Command[] {
    this.#takenMs = this.#appendedMs;
    const cleared = this.#say({ type: 'input_audio_buffer.cleared' });
    if (!this.#opened) return cleared;
    this.#turns.clear();
    return [...cleared, { type: 'flush' }];
  }

  #sessionEvent(what: 'created' | 'updated', isLegacy: boolean): ServerEvent {
    return isLegacy
      ? { type: `transcription_session.${what}`, session: legacySessionObject(this.#settings, this.#identity) }
      : { type: `session.${what}`, session: sessionObject(this.#settings, this.#identity) };
  }

  #refuse(event: Record<string, unknown> | undefined, refusal: RealtimeRefusal): readonly Command[] {
    const eventId = event?.['event_id'];
    return this.#say({ type: 'error', error: { ...refusal, event_id: typeof eventId === 'string' ? eventId : null } });
  }

  #say(...events: readonly ServerEvent[]): Command[] {
    return events.length === 0 ? [] : [{ type: 'send', messages: this.#wire(events) }];
  }

  #wire(events: readonly ServerEvent[]): string[] {
    return events.map(({ type, ...fields }) => {
      this.#events += 1;
      return JSON.stringify({ type, event_id: `event_${this.#prefix}_${String(this.#events)}`, ...fields });
    });
  }
}

const isLegacy = ({ query, headers, protocols }: DialectAddress): boolean =>
  query.get('intent') === 'transcription' && (headers['openai-beta'] === 'realtime=v1' || protocols.includes(LEGACY_PROTOCOL));

const invalid = (code: string, message: string, param: string | null): RealtimeRefusal => ({ type: 'invalid_request_error', code, message, param });
