import { z } from 'zod';
import { msToSamples, SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import type { RecognitionContext } from '../../core/recognizer.ts';
import { type UpstreamWord, toUpstreamSample, untimedWords } from './lane-words.ts';
import { post } from './post.ts';
import type { Relay } from './relay.ts';
import type { RelayDependencies, RelaySettings } from './settings.ts';
import type { StreamProtocol, UpstreamConversation, UpstreamEvent } from './stream-protocol.ts';
import { createStreamingRelay } from './streaming-relay.ts';
import { misshapen, shaped } from './upstream-error.ts';
import type { UpstreamAddress } from './upstream-socket.ts';

/** Silence after which the upstream ends an utterance, in seconds. */
const ENDPOINTING_SECONDS = 0.2;
/** The protocol cannot ask for the final: silence, longer than the endpointing, does. */
const PAD_MS = 500;
const MAX_UTTERANCE_SECONDS = 60;

const initSchema = z.object({ id: z.string(), url: z.string() });
const envelopeSchema = z.object({ type: z.string() });
const seconds = z.number().nonnegative();
const transcriptSchema = z.object({
  data: z.object({
    id: z.string(),
    is_final: z.boolean(),
    utterance: z.object({
      text: z.string(),
      start: seconds,
      end: seconds,
      words: z.array(z.object({ word: z.string(), start: seconds, end: seconds, confidence: z.number().optional() })).optional(),
    }),
  }),
});
const ackSchema = z.object({ acknowledged: z.boolean(), data: z.object({ byte_range: z.tuple([z.number(), z.number()]) }).nullish() });
const speechSchema = z.object({ data: z.object({ time: seconds }) });

/** A streaming relay to `/v2/live` of Gladia's shape. */
export function createGladiaRelay(settings: RelaySettings, deps: RelayDependencies): Relay {
  return createStreamingRelay(settings, deps, (context) => gladiaProtocol(settings, deps, context));
}

function gladiaProtocol(settings: RelaySettings, deps: RelayDependencies, context: RecognitionContext): StreamProtocol {
  return {
    locate: (signal) => locate(settings, deps, context, signal),
    converse: () => new GladiaConversation(settings.id),
    padSamples: msToSamples(PAD_MS),
    goodbye: '{"type":"stop_recording"}',
    hushMs: { afterWords: 300, afterNothing: 1500 },
  };
}

/** Makes a session; the address in the answer carries a token of its own, so the key goes no further. */
async function locate(settings: RelaySettings, deps: RelayDependencies, context: RecognitionContext, signal: AbortSignal): Promise<UpstreamAddress> {
  const key = await deps.credentialOf(context.tenantId, settings.id);
  const base = new URL('/v2/live', settings.url);
  const text = await post(
    {
      relayId: settings.id,
      url: base.href,
      headers: { 'content-type': 'application/json', accept: 'application/json', ...(key !== undefined && { 'x-gladia-key': key }) },
      body: JSON.stringify(sessionRequest(settings, context)),
      deadlineMs: settings.connectMs,
    },
    deps.clock,
    signal,
  );
  const { url } = shaped(initSchema, text, settings.id);
  const address = URL.parse(url, base.href);
  if (!address || !/^(http|ws)s?:$/.test(address.protocol)) throw misshapen(settings.id, "its upstream's session has no WebSocket address");
  return { url: address.href.replace(/^http/, 'ws'), headers: {} };
}

function sessionRequest(settings: RelaySettings, context: RecognitionContext): object {
  const model = settings.model;
  return {
    encoding: 'wav/pcm',
    bit_depth: 16,
    sample_rate: SAMPLE_RATE_HZ,
    channels: 1,
    ...(model !== undefined && { model }),
    endpointing: ENDPOINTING_SECONDS,
    maximum_duration_without_endpointing: MAX_UTTERANCE_SECONDS,
    language_config: { languages: context.language === undefined ? settings.languages : [context.language], code_switching: false },
    messages_config: {
      receive_partial_transcripts: true,
      receive_final_transcripts: true,
      receive_speech_events: true,
      receive_pre_processing_events: false,
      receive_realtime_processing_events: false,
      receive_post_processing_events: false,
      receive_acknowledgments: true,
      receive_errors: true,
      receive_lifecycle_events: false,
    },
  };
}

/**
 * Messages of a live session. Nothing in the protocol says that all of a stretch has been told; it is inferred: the audio is
 * acknowledged, no speech and no partial in it is open, and then nothing comes for a moment.
 */
export class GladiaConversation implements UpstreamConversation {
  readonly #relayId: string;
  readonly #openPartials = new Map<string, number>();
  #speechSample: number | undefined;
  #acknowledgedSample = 0;

  constructor(relayId: string) {
    this.#relayId = relayId;
  }

  decode(text: string): readonly UpstreamEvent[] {
    const { type } = shaped(envelopeSchema, text, this.#relayId);
    switch (type) {
      case 'transcript':
        return this.#transcript(text);
      case 'audio_chunk':
        this.#acknowledge(text);
        return [];
      case 'speech_start':
        this.#speechSample = toUpstreamSample(shaped(speechSchema, text, this.#relayId).data.time);
        return [{ type: 'stirred' }];
      case 'speech_end':
        this.#speechSample = undefined;
        return [{ type: 'stirred' }];
      case 'error':
        throw new EarshotError('BACKEND_ERROR', `Relay ${this.#relayId}: its upstream reports an error.`);
      default:
        return [];
    }
  }

  isQuiet(toSample: number): boolean {
    const isLater = (startSample: number): boolean => startSample >= toSample;
    return (
      this.#acknowledgedSample >= toSample &&
      (this.#speechSample === undefined || isLater(this.#speechSample)) &&
      [...this.#openPartials.values()].every(isLater)
    );
  }

  #transcript(text: string): readonly UpstreamEvent[] {
    const { id, is_final: isFinal, utterance } = shaped(transcriptSchema, text, this.#relayId).data;
    if (isFinal) this.#openPartials.delete(id);
    else this.#openPartials.set(id, toUpstreamSample(utterance.start));
    return [{ type: 'words', words: wordsOf(utterance), isFinal }];
  }

  #acknowledge(text: string): void {
    const { acknowledged, data } = shaped(ackSchema, text, this.#relayId);
    if (!acknowledged) throw new EarshotError('BACKEND_ERROR', `Relay ${this.#relayId}: its upstream refuses the audio.`);
    if (data) this.#acknowledgedSample = Math.max(this.#acknowledgedSample, Math.floor(data.byte_range[1] / Int16Array.BYTES_PER_ELEMENT));
  }
}

function wordsOf({ text, start, end, words }: z.output<typeof transcriptSchema>['data']['utterance']): UpstreamWord[] {
  if (!words || words.length === 0) return untimedWords(text, start, end);
  return words.map(({ word, start: startSeconds, end: endSeconds, confidence }) => ({
    text: word,
    startSeconds,
    endSeconds,
    ...(confidence !== undefined && { confidence }),
  }));
}
