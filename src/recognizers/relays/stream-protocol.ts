import type { UpstreamWord } from './lane-words.ts';
import type { UpstreamAddress } from './upstream-socket.ts';

/** What a message of a streaming upstream means. Seconds count the audio that this connection was sent. */
export type UpstreamEvent =
  /** Interim words replace the interim words before; final ones stay. */
  | { readonly type: 'words'; readonly words: readonly UpstreamWord[]; readonly isFinal: boolean }
  /** Nothing before `toSeconds` will change any more. */
  | { readonly type: 'settled'; readonly toSeconds: number }
  /** The answer to a request to finalize, about audio up to `toSeconds`. */
  | { readonly type: 'finalized'; readonly toSeconds: number }
  /** The upstream noticed something that has no words yet. */
  | { readonly type: 'stirred' };

/** One connection's side of a protocol: a codec with a memory, no sockets, no timers. */
export interface UpstreamConversation {
  /** Throws `UPSTREAM_SHAPE_MISMATCH` for what it does not understand, or what the upstream reports as its error. */
  decode(text: string): readonly UpstreamEvent[];
  /**
   * Has the upstream taken the audio up to `toSample`, and is nothing known to be under way in it? Then, after some time without words, there
   * are none to come: needed where the protocol owes no answer.
   */
  isQuiet(toSample: number): boolean;
}

/** How to relay to one kind of streaming upstream. */
export interface StreamProtocol {
  readonly locate: (signal: AbortSignal) => Promise<UpstreamAddress>;
  readonly converse: () => UpstreamConversation;
  /** Silence sent after each segment, where that is what makes the upstream finalize. */
  readonly padSamples: number;
  /** Asks to finalize what was sent. */
  readonly finalize?: string;
  readonly keepAlive?: { readonly message: string; readonly everyMs: number };
  readonly goodbye: string;
  /** Time without words after which a quiet upstream has told all: once it has told some words of the segment, and before. */
  readonly hushMs: { readonly afterWords: number; readonly afterNothing: number };
}
