import { EarshotError } from '../../src/core/errors.ts';
import type { NumberedEvent, Utterance } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import type { Command, Conversation, Farewell, StreamDialect, StreamRequest } from './dialect.ts';
import { authorization, invalid, jsonObject, roundedTo, seconds } from './fields.ts';

const DEFAULT_SAMPLE_RATE_HZ = 8000;

/** The protocol of the Vosk server (vosk-server, websocket/asr_server.py), which knows neither keys nor refusals of its own. */
export const VOSK: StreamDialect = {
  id: 'vosk',
  paths: ['/vosk'],
  credential: ({ headers, query }) => authorization(headers, 'Bearer') ?? query.get('token') ?? undefined,
  converse: () => new VoskConversation(),
  refuse: (error) => ({
    status: error.rule.httpStatus,
    headers: error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) },
    body: { error: error.message },
  }),
};

/** `{"config": ...}` may come first, then raw 16-bit mono audio, then `{"eof": 1}`; the answer to that is the last. */
class VoskConversation implements Conversation {
  #sampleRateHz = DEFAULT_SAMPLE_RATE_HZ;
  #words = true;
  #opened = false;
  #finished = false;
  /** After the end everything that is left comes in one last result. */
  #held: Utterance[] = [];

  decode(message: WireMessage): readonly Command[] {
    if (this.#finished) return [];
    if (typeof message !== 'string') return message.length === 0 ? [] : [...this.#open(), { type: 'audio', bytes: message }];
    const control = jsonObject(message);
    if (control?.['eof'] !== undefined) {
      this.#finished = true;
      return [...this.#open(), { type: 'finish' }];
    }
    if (control?.['reset'] !== undefined) return this.#opened ? [{ type: 'flush' }] : [];
    if (typeof control?.['config'] !== 'object') throw new EarshotError('MESSAGE_MALFORMED', 'Send "config", audio or "eof".');
    this.#configure((control['config'] ?? {}) as Record<string, unknown>);
    return [];
  }

  encode(event: NumberedEvent): readonly string[] {
    switch (event.type) {
      case 'utterance.interim':
        return [JSON.stringify({ partial: event.utterance.text })];
      case 'utterance.final':
        if (!this.#finished) return [JSON.stringify(this.#result([event.utterance]))];
        this.#held.push(event.utterance);
        return [];
      case 'session.closed':
        return event.error ? [] : [JSON.stringify(this.#result(this.#held.splice(0)))];
      default:
        return [];
    }
  }

  fail(error: EarshotError): Farewell {
    return { messages: [JSON.stringify({ error: error.message, code: error.code })], closeCode: error.rule.closeCode };
  }

  #configure(config: Record<string, unknown>): void {
    if (this.#opened) throw new EarshotError('MESSAGE_MALFORMED', '"config" comes before the audio.');
    const rate = config['sample_rate'];
    if (rate !== undefined) {
      const sampleRateHz = Math.round(Number(rate));
      if (!(sampleRateHz >= 4000 && sampleRateHz <= 192_000)) throw invalid([{ field: 'sample_rate', message: 'a number from 4000 to 192000' }]);
      this.#sampleRateHz = sampleRateHz;
    }
    if (config['words'] !== undefined) this.#words = Boolean(config['words']);
  }

  #open(): Command[] {
    if (this.#opened) return [];
    this.#opened = true;
    const request: StreamRequest = { format: { container: 'raw', encoding: 's16', sampleRateHz: this.#sampleRateHz, channels: 1 } };
    return [{ type: 'open', request }];
  }

  #result(utterances: readonly Utterance[]): object {
    const text = utterances.map((utterance) => utterance.text).join(' ');
    const words = utterances.flatMap((utterance) => utterance.words);
    if (!this.#words || words.length === 0) return { text };
    return {
      result: words.map((word) => ({
        ...(word.confidence !== undefined && { conf: roundedTo(word.confidence, 6) }),
        start: seconds(word.startSample),
        end: seconds(word.endSample),
        word: word.text,
      })),
      text,
    };
  }
}
