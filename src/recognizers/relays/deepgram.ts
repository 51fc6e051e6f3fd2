import { z } from 'zod';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import type { RecognitionContext } from '../../core/recognizer.ts';
import { type UpstreamWord, toUpstreamSample, untimedWords } from './lane-words.ts';
import type { Relay } from './relay.ts';
import type { RelayDependencies, RelaySettings } from './settings.ts';
import type { StreamProtocol, UpstreamConversation, UpstreamEvent } from './stream-protocol.ts';
import { createStreamingRelay } from './streaming-relay.ts';
import { shaped } from './upstream-error.ts';

const DEFAULT_MODEL = 'nova-3';
/** The upstream closes after ten seconds without audio or this. */
const KEEP_ALIVE_MS = 4000;
/** With less than this not finalized, the vendor owes no answer to `Finalize`. */
const SHORT_REST_SAMPLES = SAMPLE_RATE_HZ;

const seconds = z.number().nonnegative();
const wordSchema = z.object({ word: z.string(), start: seconds, end: seconds, confidence: z.number().optional(), punctuated_word: z.string().optional() });
const resultsSchema = z.object({
  start: seconds,
  duration: seconds,
  is_final: z.boolean(),
  from_finalize: z.boolean().optional(),
  channel: z.object({ alternatives: z.array(z.object({ transcript: z.string(), words: z.array(wordSchema).optional() })).min(1) }),
});
const envelopeSchema = z.object({ type: z.string() });

/** A streaming relay to `/v1/listen` of Deepgram's shape. Its own endpointing is off: the lane says where segments end (`Finalize`). */
export function createDeepgramRelay(settings: RelaySettings, deps: RelayDependencies): Relay {
  return createStreamingRelay(settings, deps, (context) => deepgramProtocol(settings, deps, context));
}

function deepgramProtocol(settings: RelaySettings, deps: RelayDependencies, context: RecognitionContext): StreamProtocol {
  return {
    locate: async () => {
      const key = await deps.credentialOf(context.tenantId, settings.id);
      return { url: addressOf(settings, context), headers: key === undefined ? {} : { authorization: `Token ${key}` } };
    },
    converse: () => new DeepgramConversation(settings.id),
    padSamples: 0,
    finalize: '{"type":"Finalize"}',
    keepAlive: { message: '{"type":"KeepAlive"}', everyMs: KEEP_ALIVE_MS },
    goodbye: '{"type":"CloseStream"}',
    hushMs: { afterWords: 1500, afterNothing: 1500 },
  };
}

function addressOf(settings: RelaySettings, context: RecognitionContext): string {
  const url = new URL(`${settings.url.replace(/\/+$/, '').replace(/^http/, 'ws')}/v1/listen`);
  const language = context.language ?? (settings.languages.length === 1 ? settings.languages[0] : 'multi');
  const parameters = {
    model: settings.model ?? DEFAULT_MODEL,
    ...(language !== undefined && { language }),
    encoding: 'linear16',
    sample_rate: String(SAMPLE_RATE_HZ),
    channels: '1',
    interim_results: 'true',
    punctuate: 'true',
    endpointing: 'false',
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** Messages of `/v1/listen`: `Results` carry words and their window, everything else is a sign of life. */
export class DeepgramConversation implements UpstreamConversation {
  readonly #relayId: string;
  #finalSample = 0;
  #hasInterim = false;

  constructor(relayId: string) {
    this.#relayId = relayId;
  }

  decode(text: string): readonly UpstreamEvent[] {
    const { type } = shaped(envelopeSchema, text, this.#relayId);
    if (type === 'Error') throw new EarshotError('BACKEND_ERROR', `Relay ${this.#relayId}: its upstream reports an error.`);
    if (type !== 'Results') return [];
    const { start, duration, is_final: isFinal, from_finalize: isAnswer, channel } = shaped(resultsSchema, text, this.#relayId);
    const words = wordsOf(channel.alternatives[0]!, start, start + duration);
    const events: UpstreamEvent[] = [{ type: 'words', words, isFinal }];
    this.#hasInterim = !isFinal && words.length > 0;
    if (isFinal) {
      this.#finalSample = Math.max(this.#finalSample, toUpstreamSample(start + duration));
      if (isAnswer === true) events.push({ type: 'finalized', toSeconds: start + duration });
      events.push({ type: 'settled', toSeconds: start + duration });
    }
    return events;
  }

  isQuiet(toSample: number): boolean {
    return !this.#hasInterim && toSample - this.#finalSample <= SHORT_REST_SAMPLES;
  }
}

function wordsOf({ transcript, words }: z.output<typeof resultsSchema>['channel']['alternatives'][number], start: number, end: number): UpstreamWord[] {
  if (!words || words.length === 0) return untimedWords(transcript, start, end);
  return words.map(({ word, punctuated_word: shown, start: startSeconds, end: endSeconds, confidence }) => ({
    text: shown ?? word,
    startSeconds,
    endSeconds,
    ...(confidence !== undefined && { confidence }),
  }));
}
