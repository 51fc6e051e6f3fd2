import type { ErrorCode } from '../../../src/core/errors.ts';
import type { Analysis } from '../../../src/core/text-analysis.ts';
import type { TranscriptEvent } from '../../../src/core/transcript.ts';
import type { DialectAddress, OpenedSession, StreamDialect } from '../dialect.ts';

/** A binary frame, one character a byte. */
export interface BinaryFrame {
  readonly binary: string;
}

/** What comes from the client or from the session, in order, and what follows from each. */
export type Step =
  | { readonly client: string | BinaryFrame; readonly commands: readonly object[] }
  | { readonly client: string | BinaryFrame; readonly refused: ErrorCode }
  /** The session that an `open` led to. */
  | { readonly opened: OpenedSession }
  /** The last words over this error. */
  | { readonly error: ErrorCode; readonly frames: readonly object[]; readonly closeCode: number }
  /** `found`: by a language model, in a final. */
  | { readonly event: TranscriptEvent; readonly found?: Analysis; readonly frames: readonly object[] };

/** One recorded conversation of a dialect. */
export interface DialectVector {
  readonly name: string;
  /** Features of the vendor's that it shows, as compatibility/features.ts names them. */
  readonly proves?: readonly string[];
  /** Default: the first of the dialect's. */
  readonly path?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What follows before the first message. */
  readonly begins?: readonly object[];
  /** What the address opens. */
  readonly opening?: object;
  /** What the address is refused with, and the fields named. */
  readonly refused?: { readonly code: ErrorCode; readonly fields: readonly string[] };
  /** What is spoken, as it was found out. */
  readonly language?: string;
  readonly steps?: readonly Step[];
}

export const REQUEST_ID = '11111111-2222-4333-8444-555555555555';

/** The address of a vector: its path (the dialect's first by default) and its query. */
export function address(dialect: StreamDialect, vector: Pick<DialectVector, 'path' | 'params' | 'query' | 'headers'> = {}): DialectAddress {
  return {
    path: vector.path ?? dialect.paths[0] ?? '',
    params: vector.params ?? {},
    query: new URLSearchParams(vector.query),
    headers: vector.headers ?? {},
    protocols: [],
    requestId: REQUEST_ID,
  };
}

/** An utterance of two words, `hello` and `World`, from 1 s to 1.8 s. */
export const HELLO_WORLD = {
  id: 'L0-U0',
  laneIndex: 0,
  text: 'hello World',
  words: [
    { text: 'hello', startSample: 16_000, endSample: 20_800, confidence: 0.9 },
    { text: 'World', startSample: 20_800, endSample: 28_800, confidence: 0.7 },
  ],
  startSample: 16_000,
  endSample: 28_800,
  stableWords: 2,
} as const;

/** A server's frame with what varies (times of day, random ids) replaced by its kind. */
export function steady(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(steady);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, isTimeOfDay(key, each) ? 'TIME' : steady(each)]));
}

const isTimeOfDay = (key: string, value: unknown): boolean => (typeof value === 'string' ? /^\d{4}-\d\d-\d\dT.*Z$/.test(value) : typeof value === 'number' && key === 'expires_at');
