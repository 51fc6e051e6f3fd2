import { msToSamples, samplesToMs } from '../../src/core/audio.ts';
import { type NumberedEvent, textOf, type UtteranceEnd, type Utterance, type Word } from '../../src/core/transcript.ts';
import { seconds } from './fields.ts';

/** A server event but for its `event_id`. */
export type ServerEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Where a turn's audio lies, in ms since the first that was sent. */
interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** What a flush was asked for. */
type Asked =
  /** With the item that was announced already, where the client alone ends its turns. */
  | { readonly type: 'commit'; readonly span: Span; item: Item | undefined }
  | { readonly type: 'clear' }
  /** Turns end otherwise from here on. */
  | { readonly type: 'mode'; readonly isManual: boolean };

/** One turn of speech: in time a committed item of the conversation. */
interface Item {
  readonly id: string;
  readonly startMs: number;
  endMs: number | undefined;
  /** It was told that the item is in the conversation. */
  committed: boolean;
  /** Words that went out. */
  sentWords: number;
  sentText: string;
  /** Known from the first interim on. */
  utteranceId: string | undefined;
}

/**
 * From utterances to items. Where the server ends turns, each utterance is an item, committed when it ends; where the client does, an item is all
 * that was heard since the one before. Every flush is answered by `session.flushed` in its turn, so what is heard before that belongs to it.
 */
export class RealtimeTurns {
  readonly #prefix: string;
  readonly #hasCreatedEvents: boolean;
  #isManual: boolean;
  #items = 0;
  #previousId: string | null = null;
  readonly #asked: Asked[] = [];
  /** Utterances that have begun and have no final yet, oldest first. */
  readonly #open: Item[] = [];
  /** Words of the turn that the client has not committed yet. */
  #held: Word[] = [];

  constructor(options: { readonly prefix: string; readonly isManual: boolean; readonly hasCreatedEvents: boolean }) {
    this.#prefix = options.prefix;
    this.#isManual = options.isManual;
    this.#hasCreatedEvents = options.hasCreatedEvents;
  }

  /** The client ends its turn, of so much audio. A flush must follow. */
  commit(span: Span, isManual: boolean): ServerEvent[] {
    const item = isManual ? this.#newItem(span.startMs, span.endMs) : undefined;
    this.#asked.push({ type: 'commit', span, item });
    return item ? this.#commit(item) : [];
  }

  /** What was heard since the last turn is to be forgotten. A flush must follow. */
  clear(): void {
    this.#asked.push({ type: 'clear' });
  }

  /** A flush must follow. */
  setManual(isManual: boolean): void {
    this.#asked.push({ type: 'mode', isManual });
  }

  /** Before audio: no flush is needed. */
  begin(isManual: boolean): void {
    this.#isManual = isManual;
  }

  events(event: NumberedEvent): ServerEvent[] {
    switch (event.type) {
      case 'speech.started': {
        const item = this.#newItem(samplesToMs(event.atSample), undefined);
        this.#open.push(item);
        return this.#isManual ? [] : [{ type: 'input_audio_buffer.speech_started', audio_start_ms: Math.round(item.startMs), item_id: item.id }];
      }
      case 'speech.ended': {
        const item = this.#open.at(-1);
        if (item) item.endMs = samplesToMs(event.atSample);
        // While a flush is under way, only the final tells what ended the turn.
        return item && !this.#isManual && this.#asked.length === 0 ? this.#endTurn(item) : [];
      }
      case 'utterance.interim':
        return this.#isManual ? [] : this.#interim(event.utterance);
      case 'utterance.final':
        return this.#settle(event.utterance.words, event.endedBy);
      case 'utterance.dismissed':
        return this.#settle([], event.endedBy);
      case 'session.flushed':
        return this.#flushed();
      default:
        return [];
    }
  }

  /** Items that will have no transcript any more. */
  abandon(error: { readonly code: string; readonly message: string }): ServerEvent[] {
    const announced = this.#asked.flatMap((each) => (each.type === 'commit' && each.item ? [each.item] : []));
    const items = new Set([...announced, ...this.#open].filter(({ committed }) => committed));
    return [...items].map(({ id }) => ({ type: `${TRANSCRIPTION}.failed`, item_id: id, content_index: 0, error: { type: 'transcription_error', ...error, param: null } }));
  }

  /** Words that are as they will be; there may be none. */
  #interim(utterance: Utterance): ServerEvent[] {
    const item = this.#open.find(({ utteranceId }) => utteranceId === utterance.id) ?? this.#open.find(({ utteranceId }) => utteranceId === undefined);
    if (!item) return [];
    item.utteranceId = utterance.id;
    return this.#delta(item, utterance.words.slice(0, utterance.settledWords ?? 0));
  }

  #settle(words: readonly Word[], endedBy: UtteranceEnd): ServerEvent[] {
    const item = this.#open.shift();
    if (!item) return [];
    const [asked] = this.#asked;
    if (this.#isManual || (endedBy === 'request' && asked?.type === 'mode')) {
      this.#held.push(...words);
      return [];
    }
    if (endedBy === 'request' && asked?.type === 'clear') return [];
    if (endedBy === 'request' && asked?.type === 'commit') asked.item ??= item;
    return [...this.#endTurn(item), ...this.#complete(item, words)];
  }

  #flushed(): ServerEvent[] {
    const asked = this.#asked.shift();
    const words = this.#held;
    if (asked?.type === 'commit') {
      this.#held = [];
      // A turn that the server heard is complete by now.
      if (asked.item) return this.#isManual ? this.#complete(asked.item, words) : [];
      const silent = this.#newItem(asked.span.startMs, asked.span.endMs);
      return [...this.#commit(silent), ...this.#complete(silent, words)];
    }
    if (asked?.type === 'clear') this.#held = [];
    if (asked?.type !== 'mode' || asked.isManual === this.#isManual) return [];
    this.#isManual = asked.isManual;
    if (asked.isManual || words.length === 0) return [];
    // What the client had not committed yet is a turn of its own.
    this.#held = [];
    const left = this.#newItem(samplesToMs(words[0]?.startSample ?? 0), samplesToMs(words.at(-1)?.endSample ?? 0));
    return [...this.#commit(left), ...this.#complete(left, words)];
  }

  #endTurn(item: Item): ServerEvent[] {
    if (item.committed) return [];
    const stopped = { type: 'input_audio_buffer.speech_stopped', audio_end_ms: Math.round(item.endMs ?? item.startMs), item_id: item.id };
    return [stopped, ...this.#commit(item)];
  }

  #commit(item: Item): ServerEvent[] {
    item.committed = true;
    const about = { previous_item_id: this.#previousId, item_id: item.id };
    this.#previousId = item.id;
    const content = [{ type: 'input_audio', transcript: null }];
    const told = { previous_item_id: about.previous_item_id, item: { id: item.id, type: 'message', object: 'realtime.item', status: 'completed', role: 'user', content } };
    const names = this.#hasCreatedEvents ? ['created'] : ['added', 'done'];
    return [{ type: 'input_audio_buffer.committed', ...about }, ...names.map((name) => ({ type: `conversation.item.${name}`, ...told }))];
  }

  #complete(item: Item, words: readonly Word[]): ServerEvent[] {
    return [
      ...this.#delta(item, words),
      {
        type: `${TRANSCRIPTION}.completed`,
        item_id: item.id,
        content_index: 0,
        transcript: item.sentText,
        logprobs: null,
        usage: { type: 'duration', seconds: seconds(msToSamples((item.endMs ?? item.startMs) - item.startMs)) },
      },
    ];
  }

  /** Deltas are only ever appended: the words that went out stay, and what follows them is what is new. */
  #delta(item: Item, words: readonly Word[]): ServerEvent[] {
    if (words.length <= item.sentWords) return [];
    const delta = textOf(words).slice(item.sentText.length);
    item.sentWords = words.length;
    item.sentText += delta;
    return [{ type: `${TRANSCRIPTION}.delta`, item_id: item.id, content_index: 0, delta }];
  }

  #newItem(startMs: number, endMs: number | undefined): Item {
    this.#items += 1;
    return { id: `item_${this.#prefix}_${String(this.#items)}`, startMs, endMs, committed: false, sentWords: 0, sentText: '', utteranceId: undefined };
  }
}

const TRANSCRIPTION = 'conversation.item.input_audio_transcription';
