import { z } from 'zod';
import { SAMPLE_RATE_HZ, samplesToSeconds } from '../../core/audio.ts';
import type { RecognitionContext } from '../../core/recognizer.ts';
import { createChunkedRelay } from './chunked-relay.ts';
import { untimedWords, type UpstreamWord } from './lane-words.ts';
import { post } from './post.ts';
import type { Relay } from './relay.ts';
import { retrying } from './retrying.ts';
import type { RelayDependencies, RelaySettings } from './settings.ts';
import { shaped } from './upstream-error.ts';
import { wavOf } from './wav.ts';

const DEFAULT_MODEL = 'whisper-1';
/** Uploads shorter than this are refused by the API; they are filled up with silence. */
const MIN_UPLOAD_SAMPLES = SAMPLE_RATE_HZ / 2;

const seconds = z.number().nonnegative();
const answerSchema = z.object({
  text: z.string(),
  segments: z.array(z.object({ text: z.string(), start: seconds, end: seconds })).nullish(),
  words: z.array(z.object({ word: z.string(), start: seconds, end: seconds })).nullish(),
});

type Answer = z.output<typeof answerSchema>;

/** A chunked relay to an `audio/transcriptions` endpoint of OpenAI's shape: OpenAI itself, and most self-hosted servers. */
export function createOpenAiRelay(settings: RelaySettings, deps: RelayDependencies): Relay {
  return createChunkedRelay(settings, (context) => async (samples, signal) => {
    const key = await deps.credentialOf(context.tenantId, settings.id);
    const text = await retrying(deps.clock, signal, () =>
      post(
        {
          relayId: settings.id,
          url: `${settings.url.replace(/\/+$/, '')}/audio/transcriptions`,
          headers: { accept: 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) },
          body: formOf(samples, settings, context),
          deadlineMs: settings.answerMs,
        },
        deps.clock,
        signal,
      ),
    );
    return openAiWords(shaped(answerSchema, text, settings.id), samplesToSeconds(samples.length));
  });
}

/** The words of an answer: with their own times where there are any, else with those of their sentence, else with those of the upload. */
export function openAiWords({ text, segments, words }: Answer, uploadSeconds: number): UpstreamWord[] {
  if (words && words.length > 0) {
    const shown = punctuated(text, words.map(({ word }) => word));
    return words.map(({ start, end }, index) => ({ text: shown[index] ?? '', startSeconds: start, endSeconds: end }));
  }
  if (segments && segments.length > 0) return segments.flatMap((segment) => untimedWords(segment.text, segment.start, segment.end));
  return untimedWords(text, 0, uploadSeconds);
}

/** Timed words come bare, the text with capitals and punctuation: where both are the same words, the text's spelling is taken. */
function punctuated(text: string, bare: readonly string[]): readonly string[] {
  const tokens = text.split(/\s+/).filter((token) => token !== '');
  const letters = (word: string): string => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  return tokens.length === bare.length && tokens.every((token, index) => letters(token) === letters(bare[index] ?? '')) ? tokens : bare;
}

function formOf(samples: Int16Array, settings: RelaySettings, context: RecognitionContext): FormData {
  const form = new FormData();
  const padded = new Int16Array(Math.max(samples.length, MIN_UPLOAD_SAMPLES));
  padded.set(samples);
  form.set('file', new Blob([wavOf(padded)], { type: 'audio/wav' }), 'audio.wav');
  form.set('model', settings.model ?? DEFAULT_MODEL);
  const language = context.language ?? (settings.languages.length === 1 ? settings.languages[0] : undefined);
  if (language !== undefined) form.set('language', language);
  form.set('response_format', settings.wordTimes ? 'verbose_json' : 'json');
  if (settings.wordTimes) form.set('timestamp_granularities[]', 'word');
  return form;
}
