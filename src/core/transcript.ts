import type { ErrorCode } from './errors.ts';

/** Who spoke: the name of an enrolled speaker with its id, or `SPEAKER_00`, `SPEAKER_01`, ... with null. */
export interface SpeakerLabel {
  readonly label: string;
  readonly speakerId: string | null;
}

/** One recognized word. Times are samples from the lane's first sample. */
export interface Word {
  readonly text: string;
  readonly startSample: number;
  /** First sample after the word. */
  readonly endSample: number;
  /** The engine's own posterior, 0 to 1; absent where the engine gives none (interims of most engines). */
  readonly confidence?: number;
  /** Absent where nobody can tell. */
  readonly speaker?: SpeakerLabel;
  /** True where the engine gives no time for the word itself: its times are those of the stretch of speech that it shares with its neighbours. */
  readonly untimed?: true;
}

/** A stretch of speech between two endpoints, as it is known now. */
export interface Utterance {
  /** Unique in the session, the same for every interim and the final of one utterance: `L0-U3`. */
  readonly id: string;
  readonly laneIndex: number;
  readonly text: string;
  readonly words: readonly Word[];
  readonly startSample: number;
  readonly endSample: number;
  /** Words from the start that later interims will not change; all of them in a final. */
  readonly stableWords: number;
  /** Words from the start that are as they will be in the final. Default: none are known to be. */
  readonly settledWords?: number;
  /** Who spoke longest in it; its words may have others. Absent where nobody can tell. */
  readonly speaker?: SpeakerLabel;
}

/** Why an utterance ended: the speaker fell silent, it became too long, or the client (or the end of the lane) asked for it. */
export type UtteranceEnd = 'silence' | 'length' | 'request';

/** Why a session ended. */
export type CloseReason =
  /** The client asked for the end and every lane was heard to its last sample. */
  | 'finished'
  /** The client went away without asking. */
  | 'abandoned'
  /** The operator or the owner ended it from outside. */
  | 'cancelled'
  | 'failed';

export interface LaneTotals {
  readonly laneIndex: number;
  /** Samples of lane time, gaps included. */
  readonly heardSamples: number;
  /** Of these, samples that the speech detector let through to the recognizer. */
  readonly speechSamples: number;
  /** Of these, samples that never arrived. */
  readonly gapSamples: number;
}

/** A budget that this session draws on is nearly used up. */
export interface BudgetWarning {
  readonly type: 'budget.warning';
  /** Whose. */
  readonly owner: 'tenant' | 'key';
  /** What was left of it, not counting what other sessions have put aside. */
  readonly leftSamples: number;
}

/** The way of the audio is gone through a fault of this side, or lost so much of it that the client had better send it another way. The client is to make a new connection and offer it to the same session: its lanes go on. */
export interface Reconnect {
  readonly type: 'session.reconnect';
}

/**
 * Everything a session tells, in the order of `seq`.
 * `session.ready` is first and `session.closed` last, each exactly once.
 */
export type TranscriptEvent =
  /** The recognizer has taken the session. */
  | { readonly type: 'session.ready'; readonly sessionId: string; readonly backend: string; readonly model: string; readonly jobId?: string }
  /** A lane was added; nothing of that lane comes before it. */
  | { readonly type: 'lane.opened'; readonly laneIndex: number; readonly label: string }
  /** Speech began on a lane. Never twice without a `speech.ended` between. */
  | { readonly type: 'speech.started'; readonly laneIndex: number; readonly atSample: number }
  | { readonly type: 'speech.ended'; readonly laneIndex: number; readonly atSample: number }
  /** The utterance as heard so far; replaces every earlier interim of the same id. Superseded ones may be skipped. */
  | { readonly type: 'utterance.interim'; readonly utterance: Utterance }
  /** The utterance is settled; nothing with this id follows. Never skipped; empty only to take back interims that were nothing. */
  | { readonly type: 'utterance.final'; readonly utterance: Utterance; readonly endedBy: UtteranceEnd }
  /** What was taken for speech had no words, and no interim told of any: there will be no final. Live lanes only. */
  | { readonly type: 'utterance.dismissed'; readonly laneIndex: number; readonly endedBy: UtteranceEnd }
  /** So much of the lane has been heard; only for a session that asked for it, and not more often than it asked. */
  | { readonly type: 'lane.progress'; readonly laneIndex: number; readonly heardSamples: number }
  /** The lane ended and all its finals are out. */
  | { readonly type: 'lane.closed'; readonly totals: LaneTotals }
  /** The recognizer was lost in the middle of speech and went on after a replay; no words are missing. */
  | { readonly type: 'recognizer.recovered'; readonly laneIndex: number; readonly replayedSamples: number }
  /** At most once. */
  | BudgetWarning
  /** Another backend took over in the middle of the session, what was not settled was replayed into it; no words are missing, none come twice. */
  | { readonly type: 'backend.changed'; readonly from: string; readonly to: string; readonly model: string }
  /** As often as it happens. */
  | Reconnect
  /** Every `flush` answers with one, after the finals that it caused. */
  | { readonly type: 'session.flushed' }
  | {
      readonly type: 'session.closed';
      readonly reason: CloseReason;
      readonly error?: { readonly code: ErrorCode; readonly message: string };
      readonly lanes: readonly LaneTotals[];
    };

/** An event with its place in the session: strictly increasing, from 1, over all lanes. */
export type NumberedEvent = TranscriptEvent & { readonly seq: number };

/** Scripts that set no blanks between words. */
const ENDS_UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー、。，！？；：]$/u;
const BEGINS_UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

/** The text of words: one blank between two, but none inside Chinese and Japanese. */
export function textOf(words: readonly Word[]): string {
  return words.reduce((text, word) => (text === '' || (ENDS_UNSPACED.test(text) && BEGINS_UNSPACED.test(word.text)) ? text + word.text : `${text} ${word.text}`), '');
}

/**
 * The event of a lane that began so much after the session's first audio, in the session's time. What was heard is counted as it is.
 * A lane may turn out to have begun a moment before: what is from before the session's first sample is told as of it.
 */
export function delayed(event: TranscriptEvent, offsetSamples: number): TranscriptEvent {
  if (offsetSamples === 0) return event;
  const moved = (sample: number): number => Math.max(0, sample + offsetSamples);
  if (event.type === 'speech.started' || event.type === 'speech.ended') return { ...event, atSample: moved(event.atSample) };
  if (event.type !== 'utterance.interim' && event.type !== 'utterance.final') return event;
  const move = <T extends { readonly startSample: number; readonly endSample: number }>(each: T): T => ({
    ...each,
    startSample: moved(each.startSample),
    endSample: moved(each.endSample),
  });
  return { ...event, utterance: { ...move(event.utterance), words: event.utterance.words.map(move) } };
}
