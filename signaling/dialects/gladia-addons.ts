import { ERRORS, type ErrorCode } from '../../src/core/errors.ts';
import type { Analysis, Chapter, NamedEntity, PlacedText, Sentiment } from '../../src/core/text-analysis.ts';
import { roundedTo, seconds } from './fields.ts';

/** What became of an add-on, in the vendor's shape: every block of a result has these fields. */
export interface AddOnBlock<T> {
  readonly success: boolean;
  readonly is_empty: boolean;
  /** Seconds. */
  readonly exec_time: number;
  readonly error: AddOnError | null;
  readonly results: T;
}

export interface AddOnError {
  readonly status_code: number;
  readonly exception: string;
  readonly message: string;
}

/** What became of a task, or of several of a kind together: some of which may have failed. */
export interface Partly<T> {
  readonly tookMs: number;
  readonly value?: T | undefined;
  readonly error?: { readonly code: ErrorCode; readonly message: string } | undefined;
}

/** An analysis as a whole, or put together from those of a session's utterances. */
export interface AddOns extends Pick<Analysis, 'summary' | 'chapters' | 'answers'> {
  readonly translations?: readonly { readonly language: string; readonly found: Partly<readonly PlacedText[]> }[];
  readonly entities?: Partly<readonly NamedEntity[]>;
  readonly sentiments?: Partly<readonly Sentiment[]>;
}

/** Further ways of writing a translation, where they were asked for. */
export type Rewrite = (utterances: readonly PlacedText[]) => object;

/** The blocks of a result for everything that was asked for. */
export function addOnBlocks({ summary, translations, entities, sentiments, chapters, answers }: AddOns, rewrite: Rewrite = () => ({})): object {
  return {
    ...(translations && { translation: translationBlock(translations, rewrite) }),
    ...(summary && { summarization: block(summary, (text) => text, null) }),
    ...(entities && { named_entity_recognition: block(entities, (found) => found.map(gladiaEntity), null) }),
    // Text, though it is JSON: so the vendor has it.
    ...(sentiments && { sentiment_analysis: block(sentiments, (found) => JSON.stringify(found.map(gladiaSentiment)), '') }),
    ...(chapters && { chapterization: block(chapters, (found) => found.map(gladiaChapter), null) }),
    ...(answers && { audio_to_llm: answersBlock(answers) }),
  };
}

/** A block of what this server never makes. */
export const notEnabledBlock = (): AddOnBlock<null> => failed({ code: 'FEATURE_NOT_ENABLED', message: 'This server does not offer it.' }, 0, null);

export const gladiaEntity = ({ type, text, startSample, endSample }: NamedEntity): object => ({ entity_type: type, text, start: seconds(startSample), end: seconds(endSample) });

export const gladiaSentiment = ({ sentiment, emotion, text, startSample, endSample, laneIndex }: Sentiment): object => ({
  sentiment,
  emotion,
  text,
  start: seconds(startSample),
  end: seconds(endSample),
  channel: laneIndex,
});

/** The words of a translation have no times of their own: theirs are those of what was said. */
export function translatedUtterance({ text, laneIndex, startSample, endSample }: PlacedText, language: string): object {
  const time = { start: seconds(startSample), end: seconds(endSample) };
  const words = text.split(/\s+/).filter((word) => word !== '');
  return { text, ...time, language, channel: laneIndex, confidence: 0, words: words.map((word, index) => ({ word: index === 0 ? word : ` ${word}`, ...time, confidence: 0 })) };
}

const gladiaChapter = ({ headline, gist, keywords, text, startSample, endSample }: Chapter): object => ({ headline, gist, summary: text, keywords, start: seconds(startSample), end: seconds(endSample) });

function translationBlock(translations: NonNullable<AddOns['translations']>, rewrite: Rewrite): AddOnBlock<unknown> {
  const results = translations.map(({ language, found }) => {
    const value = found.value ?? [];
    return {
      error: found.error ? errorOf(found.error) : null,
      full_transcript: value.map(({ text }) => text).join(' '),
      languages: [language],
      utterances: value.map((each) => translatedUtterance(each, language)),
      ...(found.value && rewrite(found.value)),
    };
  });
  const fault = translations.find(({ found }) => found.error)?.found.error;
  const tookMs = Math.max(0, ...translations.map(({ found }) => found.tookMs));
  if (fault && translations.every(({ found }) => found.value === undefined)) return failed(fault, tookMs, null);
  return { success: !fault, is_empty: results.every(({ utterances }) => utterances.length === 0), exec_time: tookMs / 1000, error: fault ? errorOf(fault) : null, results };
}

function answersBlock(answers: NonNullable<AddOns['answers']>): AddOnBlock<unknown> {
  const fault = answers.find(({ found }) => found.error)?.found.error;
  const results = answers.map(({ prompt, found }) => ({ ...block(found, (response) => ({ prompt, response }), { prompt, response: null }), is_empty: (found.value ?? '') === '' }));
  return {
    success: !fault,
    is_empty: results.every((each) => each.is_empty),
    exec_time: Math.max(0, ...answers.map(({ found }) => found.tookMs)) / 1000,
    error: fault ? errorOf(fault) : null,
    results,
  };
}

function block<T extends { readonly length: number }, R, N>({ value, error, tookMs }: Partly<T>, written: (value: T) => R, nothing: N): AddOnBlock<R | N> {
  if (value === undefined) return failed(error ?? { code: 'INTERNAL', message: 'There is no result.' }, tookMs, nothing);
  return { success: !error, is_empty: value.length === 0, exec_time: roundedTo(tookMs / 1000, 3), error: error ? errorOf(error) : null, results: written(value) };
}

function failed<N>(fault: { readonly code: ErrorCode; readonly message: string }, tookMs: number, nothing: N): AddOnBlock<N> {
  return { success: false, is_empty: true, exec_time: roundedTo(tookMs / 1000, 3), error: errorOf(fault), results: nothing };
}

/** `FEATURE_NOT_ENABLED` is `NotEnabled` to the vendor's clients, the others are themselves: `BackendTimeout`. */
function errorOf({ code, message }: { readonly code: ErrorCode; readonly message: string }): AddOnError {
  const name = code.replace(/^FEATURE_/, '').toLowerCase().replaceAll(/(?:^|_)(.)/g, (_all, first: string) => first.toUpperCase());
  return { status_code: ERRORS[code].httpStatus, exception: name, message };
}
