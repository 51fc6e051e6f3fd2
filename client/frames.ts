/** The frames that a server sends to speakers and viewers, checked. */

export interface WireWord {
  readonly text: string;
  readonly startSeconds?: number;
  readonly endSeconds?: number;
  /** 0 to 1; finals only. */
  readonly confidence?: number;
}

/** One state of one utterance; replaces the earlier ones with the same `segmentId`. Seconds count from the stream's start. */
export interface Delta {
  readonly type: 'delta';
  readonly seq?: number;
  readonly segmentId: string;
  readonly lane: number;
  readonly text: string;
  readonly isFinal: boolean;
  /** Words from the start that later deltas will not change. */
  readonly stableWords: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly words: readonly WireWord[];
  /** Who spoke, where somebody can tell. */
  readonly speaker?: string;
}

export type ServerFrame =
  | Ready
  | Delta
  /** So many bytes of the stream need not be kept. */
  | { readonly type: 'ack'; readonly position: number }
  | Resumed
  /** The stream was left for WebRTC: the session goes on there. */
  | { readonly type: 'left' }
  /** The server has lost the way of the audio: a new offer goes on in the same session. */
  | { readonly type: 'reconnect'; readonly seq?: number }
  | { readonly type: 'closed'; readonly audioDurationMs?: number }
  | { readonly type: 'error'; readonly code: string; readonly message: string; readonly retryAfterSeconds?: number };

export interface Ready {
  readonly type: 'ready';
  readonly sessionId?: string;
  readonly backend?: string;
  readonly model?: string;
  readonly jobId?: string;
  readonly resumeToken?: string;
}

export interface Resumed {
  readonly type: 'resumed';
  /** Bytes of the stream that the server has. */
  readonly position: number;
  /** Second of the lane from which a recording is to be sent, after WebRTC. */
  readonly replayFromSeconds?: number;
}

type Fields = Readonly<Record<string, unknown>>;

/** A text message as a frame; `undefined` for types this page does not know and for anything malformed. */
export function parseFrame(message: string): ServerFrame | undefined {
  const fields = parseObject(message);
  if (!fields) return undefined;
  switch (fields['type']) {
    case 'ready': {
      const [sessionId, backend, model, jobId, resumeToken] = ['session_id', 'backend_used', 'model', 'job_id', 'resume_token'].map((name) => text(fields[name]));
      return {
        type: 'ready',
        ...(sessionId !== undefined && { sessionId }),
        ...(backend !== undefined && { backend }),
        ...(model !== undefined && { model }),
        ...(jobId !== undefined && { jobId }),
        ...(resumeToken !== undefined && { resumeToken }),
      };
    }
    case 'delta':
      return parseDelta(fields);
    case 'ack': {
      const position = number(fields['position']);
      return position === undefined ? undefined : { type: 'ack', position };
    }
    case 'resumed': {
      const replayFrom = fields['replay_from'];
      return { type: 'resumed', position: number(fields['position']) ?? 0, ...(typeof replayFrom === 'number' && { replayFromSeconds: replayFrom }) };
    }
    case 'left':
      return { type: 'left' };
    case 'reconnect': {
      const seq = number(fields['seq']);
      return { type: 'reconnect', ...(seq !== undefined && { seq }) };
    }
    case 'closed': {
      const audioDurationMs = number(fields['audio_duration_ms']);
      return { type: 'closed', ...(audioDurationMs !== undefined && { audioDurationMs }) };
    }
    case 'error': {
      const retryAfterSeconds = number(fields['retry_after']);
      return {
        type: 'error',
        code: text(fields['code']) ?? 'UNKNOWN',
        message: text(fields['message']) ?? '',
        ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      };
    }
    default:
      return undefined;
  }
}

function parseDelta(fields: Fields): Delta | undefined {
  const segmentId = text(fields['segment_id']);
  const deltaText = text(fields['text']);
  if (segmentId === undefined || deltaText === undefined) return undefined;
  const seq = number(fields['seq']);
  const isFinal = fields['is_final'] === true;
  const startSeconds = number(fields['start']) ?? 0;
  const words = parseWords(fields['words'], deltaText);
  const speaker = text(fields['speaker']);
  return {
    type: 'delta',
    ...(seq !== undefined && { seq }),
    segmentId,
    lane: number(fields['lane']) ?? 0,
    text: deltaText,
    isFinal,
    stableWords: isFinal ? words.length : Math.min(number(fields['stable_words']) ?? 0, words.length),
    startSeconds,
    endSeconds: Math.max(startSeconds, number(fields['end']) ?? startSeconds),
    words,
    ...(speaker !== undefined && { speaker }),
  };
}

/** The words with what the engine knows of each; the bare text split at blanks where it says nothing of words. */
function parseWords(value: unknown, deltaText: string): readonly WireWord[] {
  const words = Array.isArray(value) ? value.flatMap(parseWord) : [];
  if (words.length > 0) return words;
  return deltaText.split(/\s+/u).filter(Boolean).map((word) => ({ text: word }));
}

function parseWord(value: unknown): readonly WireWord[] {
  if (!isObject(value)) return [];
  const word = text(value['text'])?.trim();
  if (!word) return [];
  const startSeconds = number(value['start']);
  const endSeconds = number(value['end']);
  const confidence = number(value['confidence']);
  return [
    {
      text: word,
      ...(startSeconds !== undefined && { startSeconds }),
      ...(endSeconds !== undefined && { endSeconds }),
      ...(confidence !== undefined && { confidence: Math.min(1, Math.max(0, confidence)) }),
    },
  ];
}

function parseObject(message: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(message);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
