/** The answers of the native API, as far as the tests read them. */

export interface Word {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly confidence?: number;
  readonly speaker?: string;
  readonly speaker_id?: string | null;
}

export interface Segment {
  readonly segment_id: string;
  readonly lane: number;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly confidence?: number;
  readonly speaker?: string;
  readonly speaker_id?: string | null;
  readonly words: readonly Word[];
}

export type Delta = Segment & {
  readonly type: 'delta';
  readonly seq: number;
  readonly is_final: boolean;
  readonly stable_words: number;
};

export interface ErrorFrame {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
  readonly retry_after?: number;
  readonly details?: readonly { readonly field: string; readonly message: string }[];
}

export type Frame =
  | { readonly type: 'ready'; readonly backend_used: string }
  | Delta
  | ErrorFrame
  | { readonly type: 'closed'; readonly audio_bytes?: number; readonly audio_duration_ms: number }
  | { readonly type: 'recovered'; readonly lane: number }
  | { readonly type: 'backend_changed'; readonly seq: number; readonly from: string; readonly to: string; readonly model: string }
  | { readonly type: 'warning'; readonly code: string }
  | { readonly type: 'flushed' | 'speech_started' | 'speech_ended' };

/** The words of all segments of one lane, or of every lane interleaved by time, as the REST answer has them. */
export function textOf(segments: readonly Segment[], lane?: number): string {
  return segments
    .filter((segment) => segment.text !== '' && (lane === undefined || segment.lane === lane))
    .toSorted((a, b) => a.start - b.start || a.lane - b.lane)
    .map(({ text }) => text)
    .join(' ');
}

export function wordsOf(segments: readonly Segment[]): Word[] {
  return segments.flatMap(({ words }) => words).toSorted((a, b) => a.start - b.start);
}
