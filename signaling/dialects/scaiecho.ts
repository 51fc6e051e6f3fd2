import type { BackendPreference } from '../../src/core/admission.ts';
import type { AudioFormat } from '../../src/core/audio.ts';
import { samplesToMs } from '../../src/core/audio.ts';
import { EarshotError, type ErrorDetail } from '../../src/core/errors.ts';
import type { NumberedEvent, SpeakerLabel, Utterance } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import type { NumberedConversation } from '../numbered-client.ts';
import type { Command, Farewell, ResumePoint } from './dialect.ts';
import { invalid, meanConfidence, seconds } from './fields.ts';

/** A stream that its client may come back to, over all its connections. */
export interface KeptStream {
  readonly token: string;
  /** Bytes that came so far. */
  readonly position: number;
}

/** A control line is never longer, so no more is kept while one is incomplete. */
const MAX_CONTROL_BYTES = 64 * 1024;
const CLOSE_LINE = new TextEncoder().encode('{"type":"close"}\n');
/** What waits of a track meanwhile is bounded: beyond, its beginning would be gone. */
const MAX_OVERLAP_SECONDS = 8;
const OPENING_BRACE = 0x7b;
const NEWLINE = 0x0a;

/**
 * ScaiEcho's streaming protocol: `open`, binary audio, `close`; back come `ready`, `delta`, `closed` and `error`.
 * Clients that can send only binary frames (a pipe into `websocat -b`) put the control lines into them:
 * the line before the audio ends at its newline, the closing line is the exact last bytes.
 * With `controlOnly` it is the control socket of a WebRTC session: the same answers, and no `open` and no audio.
 * A client whose `open` has `acknowledge` is told besides how to resume, and with `ack` how far its audio has come.
 */
export class ScaiEchoConversation implements NumberedConversation {
  readonly #controlOnly: boolean;
  readonly #kept: KeptStream | undefined;
  #opened = false;
  #finished = false;
  #audioBytes = 0;
  /** Bytes of a control line before `open`, or a possible beginning of the closing line after it. */
  #held: Uint8Array = new Uint8Array(0);
  /** The opening line was complete before its newline came; that is no audio. Raw audio may begin with the same byte. */
  #newlineMayFollow = false;

  constructor(options: { readonly controlOnly?: boolean; readonly kept?: KeptStream } = {}) {
    this.#controlOnly = options.controlOnly ?? false;
    this.#kept = options.kept;
    this.#opened = this.#controlOnly;
  }

  decode(message: WireMessage): readonly Command[] {
    // A client that closed may still have frames on the way; they belong to nothing.
    if (this.#finished) return [];
    if (typeof message === 'string') return this.#control(parseControl(message));
    if (this.#controlOnly) throw new EarshotError('MESSAGE_MALFORMED', 'The control socket takes no binary frames.');
    return this.#opened ? this.#audio(message) : this.#binaryOpen(message);
  }

  encode(event: NumberedEvent): readonly string[] {
    switch (event.type) {
      case 'session.ready':
        return [JSON.stringify({ type: 'ready', session_id: event.sessionId, backend_used: event.backend, model: event.model, ...(event.jobId !== undefined && { job_id: event.jobId }), ...(this.#kept && { resume_token: this.#kept.token }) })];
      case 'utterance.interim':
        return [JSON.stringify(delta(event.seq, event.utterance, false))];
      case 'utterance.final':
        return [JSON.stringify(delta(event.seq, event.utterance, true))];
      case 'speech.started':
      case 'speech.ended':
        return [
          JSON.stringify({
            type: event.type === 'speech.started' ? 'speech_started' : 'speech_ended',
            seq: event.seq,
            lane: event.laneIndex,
            time: seconds(event.atSample),
          }),
        ];
      case 'recognizer.recovered':
        return [JSON.stringify({ type: 'recovered', seq: event.seq, lane: event.laneIndex })];
      case 'budget.warning': {
        const left = seconds(event.leftSamples);
        return [JSON.stringify({ type: 'warning', seq: event.seq, code: 'BUDGET_LOW', message: `${String(left)} s are left in the budget.`, budget: event.owner, seconds_left: left })];
      }
      case 'backend.changed':
        return [JSON.stringify({ type: 'backend_changed', seq: event.seq, from: event.from, to: event.to, model: event.model })];
      case 'session.reconnect':
        return [JSON.stringify({ type: 'reconnect', seq: event.seq })];
      case 'session.flushed':
        return [JSON.stringify({ type: 'flushed', seq: event.seq })];
      case 'session.closed':
        return event.error ? [] : [JSON.stringify(this.#closedFrame(event))];
      case 'utterance.dismissed':
      case 'lane.opened':
      case 'lane.closed':
      case 'lane.progress':
        return [];
    }
  }

  acknowledge(position: number): readonly string[] {
    return [JSON.stringify({ type: 'ack', position })];
  }

  fail(error: EarshotError): Farewell {
    const frame = {
      type: 'error',
      code: error.code,
      message: error.message,
      ...(error.retryAfterSeconds !== undefined && { retry_after: error.retryAfterSeconds }),
      ...(error.details.length > 0 && { details: nativeDetails(error.details) }),
    };
    return { messages: [JSON.stringify(frame)], closeCode: error.rule.closeCode };
  }

  #closedFrame(event: NumberedEvent & { readonly type: 'session.closed' }): object {
    const heardSamples = Math.max(0, ...event.lanes.map((lane) => lane.heardSamples));
    return {
      type: 'closed',
      seq: event.seq,
      ...(!this.#controlOnly && { audio_bytes: this.#kept?.position ?? this.#audioBytes }),
      audio_duration_ms: Math.round(samplesToMs(heardSamples)),
    };
  }

  #control(control: Record<string, unknown>): readonly Command[] {
    switch (control['type']) {
      case 'open':
        if (this.#opened) throw new EarshotError('MESSAGE_MALFORMED', 'The stream is open already.');
        this.#opened = true;
        return [openCommand(control)];
      case 'close':
        if (!this.#opened) throw new EarshotError('MESSAGE_MALFORMED', 'Send "open" before "close".');
        this.#finished = true;
        return [...this.#take(this.#held), { type: 'finish' }];
      case 'flush':
        if (this.#opened) return [{ type: 'flush' }];
        break;
      case 'leave':
        if (this.#kept && this.#opened) return [leaveCommand(control)];
        break;
    }
    throw new EarshotError('MESSAGE_MALFORMED', 'Unknown "type".');
  }

  #binaryOpen(frame: Uint8Array): readonly Command[] {
    const bytes = concat(this.#held, frame);
    if (bytes.length === 0) return [];
    if (bytes[0] !== OPENING_BRACE) throw new EarshotError('MESSAGE_MALFORMED', 'Send "open" before audio.');
    const newline = bytes.indexOf(NEWLINE);
    const line = newline < 0 ? bytes : bytes.subarray(0, newline);
    if (line.length > MAX_CONTROL_BYTES) throw new EarshotError('MESSAGE_TOO_LARGE', 'The control line is too long.');
    const text = new TextDecoder().decode(line);
    if (newline < 0 && !isJson(text)) {
      this.#held = bytes.slice();
      return [];
    }
    this.#held = new Uint8Array(0);
    const commands = this.#control(parseControl(text));
    this.#newlineMayFollow = newline < 0 && commands.every((each) => each.type === 'open' && each.request.format.container !== 'raw');
    return newline < 0 ? commands : [...commands, ...this.#audio(bytes.subarray(newline + 1))];
  }

  #audio(frame: Uint8Array): readonly Command[] {
    if (frame.length === 0) return [];
    const isNewline = this.#newlineMayFollow && frame[0] === NEWLINE;
    this.#newlineMayFollow = false;
    const bytes = concat(this.#held, isNewline ? frame.subarray(1) : frame);
    this.#held = new Uint8Array(0);
    if (endsWith(bytes, CLOSE_LINE)) {
      this.#finished = true;
      return [...this.#take(bytes.subarray(0, bytes.length - CLOSE_LINE.length)), { type: 'finish' }];
    }
    const held = closeLinePrefixAtEnd(bytes);
    this.#held = bytes.slice(bytes.length - held);
    return this.#take(bytes.subarray(0, bytes.length - held));
  }

  #take(bytes: Uint8Array): Command[] {
    this.#audioBytes += bytes.length;
    return bytes.length > 0 ? [{ type: 'audio', bytes }] : [];
  }
}

const rounded = (confidence: number): number => Math.round(confidence * 1000) / 1000;
const spokenBy = (speaker: SpeakerLabel | undefined): object => (speaker ? { speaker: speaker.label, speaker_id: speaker.speakerId } : {});

function delta(seq: number, utterance: Utterance, isFinal: boolean): object {
  return { type: 'delta', seq, ...segment(utterance), is_final: isFinal, stable_words: utterance.stableWords };
}

/** An utterance in ScaiEcho's terms. `confidence` is the mean of the words', absent where the engine gives none. */
export function segment(utterance: Utterance): object {
  const confidence = meanConfidence(utterance.words);
  return {
    segment_id: utterance.id,
    lane: utterance.laneIndex,
    text: utterance.text,
    start: seconds(utterance.startSample),
    end: seconds(utterance.endSample),
    ...spokenBy(utterance.speaker),
    ...(confidence !== undefined && { confidence }),
    words: utterance.words.map((word) => ({
      text: word.text,
      start: seconds(word.startSample),
      end: seconds(word.endSample),
      ...(word.confidence !== undefined && { confidence: rounded(word.confidence) }),
      ...spokenBy(word.speaker),
      ...(word.untimed && { untimed: true }),
    })),
  };
}

const CONTAINERS = new Map<string, AudioFormat['container']>(Object.entries({
  'audio/wav': 'wav',
  'audio/wave': 'wav',
  'audio/x-wav': 'wav',
  'audio/vnd.wave': 'wav',
  'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3',
  'audio/flac': 'flac',
  'audio/x-flac': 'flac',
  'audio/ogg': 'ogg',
  'audio/opus': 'ogg',
  'audio/mp4': 'mp4',
  'audio/m4a': 'mp4',
  'audio/x-m4a': 'mp4',
  'audio/aac': 'mp4',
  'audio/webm': 'webm',
  'video/webm': 'webm',
  'video/mp4': 'mp4',
  'audio/pcm': 'raw',
  'audio/l16': 'raw',
  'audio/raw': 'raw',
}));

const PREFERENCES: readonly BackendPreference[] = ['any', 'prefer_self_hosted', 'prefer_relay'];

function openCommand(open: Record<string, unknown>): Extract<Command, { readonly type: 'open' }> {
  const details: ErrorDetail[] = [];
  const acknowledge = open['acknowledge'] ?? false;
  if (typeof acknowledge !== 'boolean') details.push({ field: 'acknowledge', message: 'true or false' });
  const resume = open['resume'] === undefined ? undefined : resumePoint(open['resume'], details);
  if (details.length > 0) throw invalid(details);
  return { type: 'open', request: streamRequest(open), ...(acknowledge === true && { acknowledge }), ...(resume && { resume }) };
}

function leaveCommand({ overlap }: Record<string, unknown>): Command {
  if (typeof overlap !== 'number' || !(overlap >= 0 && overlap <= MAX_OVERLAP_SECONDS)) {
    throw invalid([{ field: 'overlap', message: `seconds, 0 to ${String(MAX_OVERLAP_SECONDS)}` }]);
  }
  return { type: 'leave', overlapSeconds: overlap };
}

function resumePoint(value: unknown, details: ErrorDetail[]): ResumePoint {
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const text = (field: string): string => {
    const given = fields[field];
    if (typeof given === 'string' && given !== '' && given.length <= 200) return given;
    details.push({ field: `resume.${field}`, message: 'as "ready" told it' });
    return '';
  };
  const count = (field: string): number => {
    const given = fields[field] ?? 0;
    if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given;
    details.push({ field: `resume.${field}`, message: 'an integer from 0' });
    return 0;
  };
  return { sessionId: text('session_id'), token: text('token'), position: count('position'), afterSeq: count('after_seq') };
}

const isModelName = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= 200;

function streamRequest(open: Record<string, unknown>): Extract<Command, { readonly type: 'open' }>['request'] {
  const details: ErrorDetail[] = [];
  const language = languageHint(open['language_hint'], details);
  const format = audioFormat(open, details);
  const chunkSeconds = open['chunk_seconds'];
  if (chunkSeconds !== undefined && !(typeof chunkSeconds === 'number' && chunkSeconds > 0 && chunkSeconds <= 60)) {
    details.push({ field: 'chunk_seconds', message: 'a number over 0, at most 60' });
  }
  const diarize = open['diarize'] ?? false;
  if (typeof diarize !== 'boolean') details.push({ field: 'diarize', message: 'true or false' });
  const preference = PREFERENCES.find((each) => each === (open['backend_preference'] ?? 'any'));
  if (preference === undefined) details.push({ field: 'backend_preference', message: `one of ${PREFERENCES.join(', ')}` });
  const model = open['model'] ?? undefined;
  if (model !== undefined && !isModelName(model)) details.push({ field: 'model', message: 'the name of a model, at most 200 characters' });
  const endpointMs = open['endpointing_ms'];
  if (endpointMs !== undefined && !(typeof endpointMs === 'number' && endpointMs >= 10 && endpointMs <= 10_000)) {
    details.push({ field: 'endpointing_ms', message: 'a number from 10 to 10000' });
  }
  if (details.length > 0) throw invalid(details);
  return {
    format,
    ...(language !== undefined && { language }),
    ...(preference !== undefined && preference !== 'any' && { backendPreference: preference }),
    ...(isModelName(model) && { model }),
    ...(diarize === true && { diarize }),
    ...(typeof chunkSeconds === 'number' && { chunkSeconds }),
    ...(typeof endpointMs === 'number' && { endpointing: { endpointMs } }),
  };
}

/** What was not accepted, by its names in this protocol. */
export const nativeDetails = (details: readonly ErrorDetail[]): readonly ErrorDetail[] => details.map((detail) => (detail.field === 'language' ? { ...detail, field: 'language_hint' } : detail));

/** Checks a `language_hint`: two letters, or nothing. */
export function languageHint(value: unknown, details: ErrorDetail[]): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && /^[a-z]{2}$/i.test(value)) return value.toLowerCase();
  details.push({ field: 'language_hint', message: 'two letters of ISO 639-1' });
  return undefined;
}

function audioFormat(open: Record<string, unknown>, details: ErrorDetail[]): AudioFormat {
  const mediaType = open['media_type'] ?? 'audio/wav';
  const essence = typeof mediaType === 'string' ? mediaType.split(';')[0]?.trim().toLowerCase() : undefined;
  const container = essence === undefined ? undefined : CONTAINERS.get(essence);
  if (container === undefined) {
    details.push({ field: 'media_type', message: `one of ${[...CONTAINERS.keys()].join(', ')}` });
  }
  const sampleRateHz = integer(open, 'sample_rate', 4000, 192_000, details) ?? 16_000;
  const channels = integer(open, 'channels', 1, 8, details) ?? 1;
  return { container: container ?? 'auto', encoding: 's16', sampleRateHz, channels };
}

function integer(
  open: Record<string, unknown>,
  field: string,
  min: number,
  max: number,
  details: ErrorDetail[],
): number | undefined {
  const value = open[field];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  details.push({ field, message: `an integer from ${String(min)} to ${String(max)}` });
  return undefined;
}

function parseControl(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EarshotError('MESSAGE_MALFORMED', 'The control message is not JSON.', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new EarshotError('MESSAGE_MALFORMED', 'The control message is not a JSON object.');
  }
  return value as Record<string, unknown>;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

function endsWith(bytes: Uint8Array, tail: Uint8Array): boolean {
  const offset = bytes.length - tail.length;
  return offset >= 0 && tail.every((byte, index) => bytes[offset + index] === byte);
}

/** Length of the longest end of `bytes` that is a proper beginning of the closing line. */
function closeLinePrefixAtEnd(bytes: Uint8Array): number {
  for (let length = Math.min(CLOSE_LINE.length - 1, bytes.length); length > 0; length -= 1) {
    if (endsWith(bytes, CLOSE_LINE.subarray(0, length))) return length;
  }
  return 0;
}
