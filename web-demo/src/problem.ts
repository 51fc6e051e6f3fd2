import { Problem, type ClientProblemCode } from '../../client/browser.ts';

/** Faults that this page or its client finds; the server's own codes come beside them. */
export type PageProblemCode = ClientProblemCode | 'FILE_UNSUPPORTED' | 'FILE_UNREADABLE';

/** A fault of the page's own; the sentence for people comes from {@link sentenceFor}. */
export const pageProblem = (code: PageProblemCode): Problem => new Problem(code);

export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  return new Problem('PAGE_ERROR', thrown instanceof Error ? thrown.message : String(thrown));
}

const SENTENCES: Readonly<Record<PageProblemCode, string>> & Readonly<Record<string, string>> = {
  MICROPHONE_DENIED: 'The browser may not use the microphone. Allow it in the address bar, then start again.',
  MICROPHONE_MISSING: 'No microphone was found. Connect one, then start again.',
  MICROPHONE_BUSY: 'The microphone is in use by another program, or the system refuses it.',
  MICROPHONE_INSECURE: 'Browsers give the microphone only to pages on https or on localhost. A file can still be transcribed.',
  MICROPHONE_LOST: 'The microphone was disconnected. What was said before is kept.',
  MICROPHONE_FAILED: 'The microphone could not be opened.',
  SERVER_UNREACHABLE: 'The server does not answer. Check that it is running, then try again.',
  CONNECTION_LOST: 'The connection to the server was lost. What was recognized so far is kept.',
  WEBRTC_FAILED: 'WebRTC could not connect.',
  UPLINK_TOO_SLOW: 'The network is too slow to send the sound as it is spoken.',
  FINISH_TIMEOUT: 'The server did not finish in time; the last words may be missing.',
  FILE_UNSUPPORTED: 'This is not an audio file that Earshot reads: WAV, MP3, FLAC, Ogg or Opus, M4A, WebM.',
  FILE_UNREADABLE: 'The browser could not read this file.',
  AUTH_TOKEN_MISSING: 'This server asks for an API key.',
  AUTH_TOKEN_INVALID: 'The server does not know this API key.',
  CAPACITY_EXCEEDED: 'Every recognizer is busy.',
  BACKEND_UNAVAILABLE: 'No recognizer is ready yet.',
  BACKEND_ERROR: 'The recognizer failed. What was recognized so far is kept.',
  BACKEND_TIMEOUT: 'The recognizer did not answer in time.',
  SERVER_STOPPING: 'The server is shutting down. What was recognized so far is kept.',
  SESSION_IDLE: 'No sound reached the server for a while, so it ended the session.',
  SESSION_TOO_LONG: 'The session reached its longest allowed time. Start again to go on.',
  AUDIO_EMPTY: 'There is no sound in this file.',
  AUDIO_UNSUPPORTED: 'This is not an audio file that Earshot reads: WAV, MP3, FLAC, Ogg or Opus, M4A, WebM.',
  AUDIO_MALFORMED: 'This audio file is damaged.',
  AUDIO_TRUNCATED: 'This audio file is cut off at its beginning.',
  RESUME_GAP: 'The connection was away for too long; some captions could not be fetched again.',
};

/** One or two sentences for people: what happened, and what to do where there is something. */
export function sentenceFor(problem: Problem): string {
  const sentence = SENTENCES[problem.code] ?? (problem.message === problem.code ? 'Something went wrong.' : problem.message);
  const seconds = problem.retryAfterSeconds;
  if (seconds === undefined) return sentence;
  const rounded = Math.max(1, Math.ceil(seconds));
  return `${sentence} Try again in ${rounded} ${rounded === 1 ? 'second' : 'seconds'}.`;
}
