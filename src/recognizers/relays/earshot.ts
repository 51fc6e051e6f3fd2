import { z } from 'zod';
import { samplesToSeconds } from '../../core/audio.ts';
import type { RecognitionContext } from '../../core/recognizer.ts';
import { createChunkedRelay } from './chunked-relay.ts';
import { untimedWords, type UpstreamWord } from './lane-words.ts';
import { post } from './post.ts';
import type { Relay } from './relay.ts';
import { retrying } from './retrying.ts';
import type { RelayDependencies, RelaySettings } from './settings.ts';
import { shaped } from './upstream-error.ts';
import { wavOf } from './wav.ts';

const seconds = z.number().nonnegative();
const wordSchema = z.object({ text: z.string(), start: seconds, end: seconds, untimed: z.boolean().nullish() });
const answerSchema = z.object({
  data: z.object({
    transcript: z.string(),
    /** Earshot's own; ScaiEcho answers with the transcript alone. */
    segments: z.array(z.object({ text: z.string(), start: seconds, end: seconds, words: z.array(wordSchema) })).nullish(),
  }),
});

type Answer = z.output<typeof answerSchema>;

/** A chunked relay to another Earshot, or to ScaiEcho: each chunk is an inline `POST transcribe`. */
export function createEarshotRelay(settings: RelaySettings, deps: RelayDependencies): Relay {
  return createChunkedRelay(settings, (context) => async (samples, signal) => {
    const key = await deps.credentialOf(context.tenantId, settings.id);
    const text = await retrying(deps.clock, signal, () =>
      post(
        {
          relayId: settings.id,
          url: `${settings.url.replace(/\/+$/, '')}/v1/modules/scaiecho/transcribe`,
          headers: { accept: 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) },
          body: formOf(samples, settings, context),
          deadlineMs: settings.answerMs,
        },
        deps.clock,
        signal,
      ),
    );
    return earshotWords(shaped(answerSchema, text, settings.id), samplesToSeconds(samples.length));
  });
}

/** The words of an answer, or its transcript with the time of the whole upload. */
export function earshotWords({ data }: Answer, uploadSeconds: number): UpstreamWord[] {
  if (!data.segments) return untimedWords(data.transcript, 0, uploadSeconds);
  return data.segments.flatMap(({ words }) =>
    words.map(({ text, start, end, untimed }) => ({ text, startSeconds: start, endSeconds: end, ...(untimed === true && { untimed }) })),
  );
}

function formOf(samples: Int16Array, settings: RelaySettings, context: RecognitionContext): FormData {
  const form = new FormData();
  form.set('file', new Blob([wavOf(samples)], { type: 'audio/wav' }), 'audio.wav');
  const language = context.language ?? (settings.languages.length === 1 ? settings.languages[0] : undefined);
  if (language !== undefined) form.set('language_hint', language);
  // A relay that relays back here would go round and round.
  form.set('backend_preference', 'prefer_self_hosted');
  return form;
}
