import { ScaiEchoConversation } from '../../signaling/dialects/scaiecho.ts';
import type { Conversation } from '../../signaling/dialects/dialect.ts';
import { EarshotError } from '../core/errors.ts';
import type { NumberedEvent } from '../core/transcript.ts';
import { vttCuesOf } from '../formats/live-vtt.ts';

/** Writes each event of a session once, however many read it; they share the bytes. */
export class ViewerFrames {
  readonly #codec = new ScaiEchoConversation({ controlOnly: true });
  readonly #texts = new WeakMap<NumberedEvent, readonly string[]>();
  readonly #sse = new WeakMap<NumberedEvent, Buffer>();
  readonly #vtt = new WeakMap<NumberedEvent, Buffer>();

  /** Native frames; none for events that clients are not told. */
  texts(event: NumberedEvent): readonly string[] {
    return once(this.#texts, event, () => {
      if (event.type === 'session.closed' && event.error) return this.#codec.fail(new EarshotError(event.error.code, event.error.message)).messages;
      return this.#codec.encode(event);
    });
  }

  /** The same as server-sent events (HTML, section 9.2); the id is the event's number. */
  sse(event: NumberedEvent): Buffer {
    return once(this.#sse, event, () => Buffer.from(this.texts(event).map((text) => `id: ${String(event.seq)}\ndata: ${text}\n\n`).join('')));
  }

  /** A reader that cannot go on is told why. */
  sseFailure(error: EarshotError): Buffer {
    return Buffer.from(this.#codec.fail(error).messages.map((text) => `data: ${text}\n\n`).join(''));
  }

  /** WebVTT cues of what is settled. */
  vtt(event: NumberedEvent): Buffer {
    return once(this.#vtt, event, () => Buffer.from(event.type === 'utterance.final' ? vttCuesOf(event.utterance) : ''));
  }

  /** The other side of a WebSocket that only reads. */
  conversation(): Conversation {
    return {
      decode: () => {
        throw new EarshotError('MESSAGE_MALFORMED', 'This socket only reads.');
      },
      // The reader's own farewell follows the end of a session that failed.
      encode: (event) => (event.type === 'session.closed' && event.error ? [] : this.texts(event)),
      fail: (error) => this.#codec.fail(error),
    };
  }
}

function once<T extends object>(cache: WeakMap<NumberedEvent, T>, event: NumberedEvent, make: () => T): T {
  const known = cache.get(event);
  if (known) return known;
  const made = make();
  cache.set(event, made);
  return made;
}
