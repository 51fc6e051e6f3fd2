import type { Analysis, AnalysisRequest, Found, PlacedText } from '../../src/core/text-analysis.ts';
import type { AddOns, Partly } from './gladia-addons.ts';

/** What a language model found in the utterances of a session, as it comes in. */
export class LiveFindings {
  /** Of the whole; comes last. */
  summary: Found<string> | undefined;
  readonly #parts: Analysis[] = [];

  add(analysis: Analysis): void {
    this.#parts.push(analysis);
  }

  /** Put together in the order of speech, with a part for everything that was asked for. */
  together({ translation, entities, sentiments }: AnalysisRequest): AddOns {
    return {
      ...(translation && {
        translations: translation.targets.map((language) => ({ language, found: merged(this.#parts.map((part) => part.translations?.find((each) => each.language === language)?.found)) })),
      }),
      ...(this.summary && { summary: this.summary }),
      ...(entities === true && { entities: merged(this.#parts.map((part) => part.entities)) }),
      ...(sentiments === true && { sentiments: merged(this.#parts.map((part) => part.sentiments)) }),
    };
  }
}

/** Nothing said is nothing found; a value is missing only where everything failed. */
function merged<T extends PlacedText>(all: readonly (Found<readonly T[]> | undefined)[]): Partly<readonly T[]> {
  const found = all.filter((each) => each !== undefined);
  const values = found.flatMap(({ value }) => (value ? [value] : []));
  return {
    tookMs: Math.max(0, ...found.map(({ tookMs }) => tookMs)),
    value: values.length > 0 || found.length === 0 ? values.flat().toSorted((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex) : undefined,
    error: found.find(({ error }) => error)?.error,
  };
}
