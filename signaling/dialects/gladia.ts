import { samplesToSeconds } from '../../src/core/audio.ts';
import type { EarshotError } from '../../src/core/errors.ts';
import { asksForAnalysis, type Analysis, type Found } from '../../src/core/text-analysis.ts';
import type { NumberedEvent, Utterance } from '../../src/core/transcript.ts';
import type { ByteRange } from '../audio-ledger.ts';
import type { WireMessage } from '../connection.ts';
import type { ResumableConversation } from '../resumable-conversation.ts';
import type { Command, Farewell } from './dialect.ts';
import { base64Bytes, jsonObject, roundedTo, seconds } from './fields.ts';
import { addOnBlocks, gladiaEntity, gladiaSentiment, translatedUtterance } from './gladia-addons.ts';
import { analysisOf, callbackOf, flagsOf, frameBytesOf, type GladiaInit, type MessageFlags } from './gladia-init.ts';
import { gladiaMetadata, gladiaTranscription, gladiaUtterance } from './gladia-results.ts';
import { LiveFindings } from './gladia-findings.ts';

export interface GladiaConversationOptions {
  readonly sessionId: string;
  readonly init: GladiaInit;
  /** The language of what is heard, as far as it is known. */
  readonly language: () => string | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Given every message that the session's callback is to have, with its type. */
  readonly onCallback?: (type: string, message: string) => void;
}

/** Messages kept of a session for its record; later ones only go to the client. */
const MAX_KEPT_MESSAGES = 20_000;

/**
 * Gladia's live session (v2), over all of its connections.
 *
 *   start_session, start_recording, [speech_start, transcript..., speech_end, add-ons]..., stop_recording (answered at once), the last transcripts
 *   and add-ons, end_recording, post_transcript, post_summarization, post_final_transcript, end_session
 */
export class GladiaConversation implements ResumableConversation {
  /** Every message that a record of the session has, as JSON text. */
  readonly messages: string[] = [];
  readonly utterances: Utterance[] = [];
  readonly #options: GladiaConversationOptions;
  readonly #flags: MessageFlags;
  readonly #callbackFlags: MessageFlags | undefined;
  readonly #findings = new LiveFindings();
  /** Finals whose add-ons are still to come, as they were told, by the utterance's id. */
  readonly #analysed = new Map<string, { readonly id: string; readonly utterance: object }>();
  readonly #bytesPerSecond: number;
  /** Utterances so far, per channel, and the number of each by its id. */
  readonly #counts: number[] = [];
  readonly #numbers = new Map<string, number>();
  #receivedBytes = 0;
  #heardSamples = 0;
  #recording = false;
  #stoppedAtMs: number | undefined;

  constructor(options: GladiaConversationOptions) {
    this.#options = options;
    this.#flags = flagsOf(options.init);
    this.#callbackFlags = callbackOf(options.init)?.flags;
    this.#bytesPerSecond = frameBytesOf(options.init) * options.init.sample_rate;
  }

  /** Audio that came, repetitions not counted, in seconds. */
  get recordingSeconds(): number {
    return roundedTo(this.#receivedBytes / this.#bytesPerSecond, 3);
  }

  /** So many new bytes came. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  begin(): readonly Command[] {
    return this.#send(this.#lifecycle('start_session'));
  }

  decode(message: WireMessage): readonly Command[] {
    if (typeof message !== 'string') return message.length === 0 ? [] : this.#audio(message);
    const control = jsonObject(message);
    if (control?.['type'] === 'stop_recording') return this.#stop();
    if (control?.['type'] !== 'audio_chunk') return this.#send(this.#refused('The message is not one that is known here.'));
    const { chunk } = (control['data'] ?? {}) as { readonly chunk?: unknown };
    const audio = typeof chunk === 'string' ? base64Bytes(chunk) : undefined;
    return audio ? this.#audio(audio) : this.#send(this.#refused('data.chunk is not audio in base64.'));
  }

  acknowledge([from, to]: ByteRange): readonly string[] {
    const at = (bytes: number): number => roundedTo(bytes / this.#bytesPerSecond, 6);
    // By far the most messages of all: written out.
    return this.#written('receive_acknowledgments', 'audio_chunk', `{"acknowledged":true,"error":null,"data":{"byte_range":[${String(from)},${String(to)}],"time_range":[${String(at(from))},${String(at(to))}]}}`);
  }

  encode(event: NumberedEvent): readonly string[] {
    switch (event.type) {
      case 'speech.started':
        return this.#speech('speech_start', event);
      case 'speech.ended':
        return this.#speech('speech_end', event);
      case 'utterance.interim':
        return this.#written('receive_partial_transcripts', 'transcript', { data: this.#transcript(event.utterance, false) });
      case 'utterance.final':
        return this.#final(event.utterance);
      case 'lane.progress':
        this.#heardSamples = Math.max(this.#heardSamples, event.heardSamples);
        return [];
      case 'session.closed':
        return this.#ending(event);
      default:
        return [];
    }
  }

  fail(error: EarshotError): Farewell {
    return { messages: [], closeCode: closeCodeOf(error), reason: `${error.code}: ${error.message}` };
  }

  #audio(bytes: Uint8Array): readonly Command[] {
    const started = this.#recording ? [] : this.#send(this.#lifecycle('start_recording'));
    this.#recording = true;
    return [...started, { type: 'audio', bytes }];
  }

  #stop(): readonly Command[] {
    this.#stoppedAtMs ??= this.#options.now();
    const left = Math.max(0, this.recordingSeconds - samplesToSeconds(this.#heardSamples));
    const data = { recording_duration: this.recordingSeconds, recording_left_to_process: roundedTo(left, 3) };
    const answer = this.#written('receive_acknowledgments', 'stop_recording', { acknowledged: true, error: null, data });
    return [...this.#send(answer), { type: 'finish' }];
  }

  #speech(type: 'speech_start' | 'speech_end', { laneIndex, atSample }: { readonly laneIndex: number; readonly atSample: number }): readonly string[] {
    return this.#kept(this.#written('receive_speech_events', type, { data: { time: seconds(atSample), channel: laneIndex } }));
  }

  #final(utterance: Utterance): readonly string[] {
    // It only takes back partial transcripts, for which the vendor has no word.
    if (utterance.words.length === 0) return [];
    this.utterances.push(utterance);
    const data = this.#transcript(utterance, true);
    this.#numbers.delete(utterance.id);
    if (asksForAnalysis(analysisOf(this.#options.init))) this.#analysed.set(utterance.id, data);
    return this.#kept(this.#written('receive_final_transcripts', 'transcript', { data }));
  }

  #transcript(utterance: Utterance, isFinal: boolean): { readonly id: string; readonly is_final: boolean; readonly utterance: object } {
    return { id: this.#idOf(utterance), is_final: isFinal, utterance: gladiaUtterance(utterance, this.#style) };
  }

  get #style(): { readonly language: string | undefined; readonly isLive: true } {
    return { language: this.#options.language(), isLive: true };
  }

  /** What a language model found in an utterance whose final was told. */
  analysed({ id }: Utterance, analysis: Analysis): readonly string[] {
    const told = this.#analysed.get(id);
    if (!told) return [];
    this.#analysed.delete(id);
    this.#findings.add(analysis);
    const about = { utterance_id: told.id, utterance: told.utterance };
    const translations = (analysis.translations ?? []).flatMap(({ language, found }) => {
      const [translated] = found.value ?? [];
      return this.#addOn('translation', found, translated && { ...about, original_language: this.#options.language() ?? '', target_language: language, translated_utterance: translatedUtterance(translated, language) });
    });
    const { entities, sentiments } = analysis;
    return this.#kept([
      ...translations,
      ...(entities ? this.#addOn('named_entity_recognition', entities, { ...about, results: (entities.value ?? []).map(gladiaEntity) }) : []),
      ...(sentiments ? this.#addOn('sentiment_analysis', sentiments, { ...about, results: (sentiments.value ?? []).map(gladiaSentiment) }) : []),
    ]);
  }

  /** What became of the tasks where there was not one utterance: at least whether they could be had. */
  heardNothing(analysis: Analysis): void {
    this.#findings.add(analysis);
  }

  /** The summary of the whole, which the last messages tell. */
  summarized(summary: Found<string>): void {
    this.#findings.summary = summary;
  }

  /** `00_00000003`: channel, and number among the utterances of the channel. */
  #idOf({ id, laneIndex }: Utterance): string {
    const next = this.#counts[laneIndex] ?? 0;
    const number = this.#numbers.get(id) ?? next;
    if (number === next) this.#counts[laneIndex] = next + 1;
    this.#numbers.set(id, number);
    return `${String(laneIndex).padStart(2, '0')}_${String(number).padStart(8, '0')}`;
  }

  #ending(event: NumberedEvent & { readonly type: 'session.closed' }): readonly string[] {
    const heardSamples = Math.max(0, ...event.lanes.map((lane) => lane.heardSamples));
    const { summary } = this.#findings;
    return this.#kept([
      ...this.#lifecycle('end_recording', { data: { recording_duration: this.recordingSeconds } }),
      ...this.#written('receive_post_processing_events', 'post_transcript', { data: gladiaTranscription(this.utterances, this.#style) }),
      ...(summary ? this.#written('receive_post_processing_events', 'post_summarization', outcomeOf(summary, { results: summary.value }), summary.error !== undefined) : []),
      ...this.#written('receive_post_processing_events', 'post_final_transcript', { data: this.result(seconds(heardSamples)) }),
      ...this.#lifecycle('end_session'),
    ]);
  }

  /** The results of the session, as they are kept. */
  result(durationSeconds: number): object {
    const tookSeconds = this.#stoppedAtMs === undefined ? 0 : roundedTo((this.#options.now() - this.#stoppedAtMs) / 1000, 3);
    return {
      metadata: gladiaMetadata(this.#options.init.channels, durationSeconds, tookSeconds),
      transcription: gladiaTranscription(this.utterances, this.#style),
      ...addOnBlocks(this.#findings.together(analysisOf(this.#options.init))),
    };
  }

  #lifecycle(type: string, content: object = {}): readonly string[] {
    return this.#written('receive_lifecycle_events', type, content);
  }

  #addOn(type: string, found: Found<unknown>, data: object | undefined): readonly string[] {
    return this.#written('receive_realtime_processing_events', type, outcomeOf(found, data), found.error !== undefined);
  }

  #refused(message: string): readonly string[] {
    return this.#written('receive_acknowledgments', 'audio_chunk', { acknowledged: false, error: { message }, data: null }, true);
  }

  /** For whoever wants such messages: the text for the socket, if that does. One with an error needs `receive_errors` too. `content`: an object, or one as JSON. */
  #written(kind: keyof MessageFlags, type: string, content: object | string, isError = false): readonly string[] {
    const wanted = (flags: MessageFlags | undefined): boolean => flags?.[kind] === true && (!isError || flags.receive_errors);
    const isForCallback = this.#options.onCallback !== undefined && wanted(this.#callbackFlags);
    if (!wanted(this.#flags) && !isForCallback) return [];
    const members = (typeof content === 'string' ? content : JSON.stringify(content)).slice(1);
    const text = `{"type":"${type}","session_id":"${this.#options.sessionId}","created_at":"${new Date(this.#options.now()).toISOString()}"${members === '}' ? '' : ','}${members}`;
    if (isForCallback) this.#options.onCallback(type, text);
    return wanted(this.#flags) ? [text] : [];
  }

  #kept(texts: readonly string[]): readonly string[] {
    if (this.messages.length + texts.length <= MAX_KEPT_MESSAGES) this.messages.push(...texts);
    return texts;
  }

  #send(messages: readonly string[]): readonly Command[] {
    return messages.length === 0 ? [] : [{ type: 'send', messages }];
  }
}

const outcomeOf = ({ error }: Found<unknown>, data: object | undefined): object =>
  error ? { error: { message: error.message }, data: null } : { error: null, data: data ?? null };

/**
 * The vendor's clients come back at once after any code but 1000, 1001 and 4400 to 4499: what cannot be mended gets one of these.
 * A server that stops says 1012: 1001 would be final.
 */
function closeCodeOf({ code, rule }: EarshotError): number {
  if (code === 'AUDIO_EMPTY') return 1000;
  if (code === 'SERVER_STOPPING') return 1012;
  if (code === 'SESSION_TOO_LONG') return 4408;
  return rule.httpStatus < 500 ? 4000 + rule.httpStatus : 4424;
}
