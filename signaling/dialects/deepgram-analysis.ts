import type { EarshotError, ErrorDetail } from '../../src/core/errors.ts';
import type { Analysis, AnalysisRequest, Found, LabelledText, LabelRequest, PlacedText, Sentiment } from '../../src/core/text-analysis.ts';
import type { Word } from '../../src/core/transcript.ts';
import { invalid, type QueryReader, roundedTo } from './fields.ts';

/** What needs somebody who understands text, by the vendor's names. */
const PARAMETERS = ['summarize', 'topics', 'intents', 'sentiment', 'detect_entities'] as const;
type Parameter = (typeof PARAMETERS)[number];

const SUMMARIES = new Map([['true', true], ['v2', true], ['false', false]]);
const MODES = new Map([['extended', false], ['strict', true]]);
const MAX_NAMED = 100;
const MAX_NAME_CHARS = 200;
/** From here on the vendor calls a score positive, and below its negative negative. */
const DECIDED = 1 / 3;

/** Undefined: nothing of the kind. */
export function deepgramAnalysis(reader: QueryReader): AnalysisRequest | undefined {
  const topics = labels(reader, 'topics', 'custom_topic');
  const intents = labels(reader, 'intents', 'custom_intent');
  const request: AnalysisRequest = {
    ...(reader.choice('summarize', SUMMARIES) === true && { summary: 'concise' }),
    ...(topics && { topics }),
    ...(intents && { intents }),
    ...(reader.flag('sentiment') && { sentiments: true }),
    ...(reader.flag('detect_entities') && { entities: true }),
  };
  return Object.keys(request).length > 0 ? request : undefined;
}

/** Of a stream, whose clients are given entities only: asking for what is of the whole is refused. */
export function deepgramLiveAnalysis(reader: QueryReader): AnalysisRequest | undefined {
  const isAsked = (name: Parameter): boolean => name !== 'detect_entities' && reader.all(name).some((value) => value !== 'false');
  for (const { field, message } of refused('not offered for live audio', isAsked)) reader.refuse(field, message);
  return reader.flag('detect_entities') ? { entities: true } : undefined;
}

/** What a client is told who asks for it where it cannot be had: of the tenant's policy as it is, else that the parameters are not accepted. */
export function notAnalysed(request: AnalysisRequest, why: EarshotError): EarshotError {
  if (why.code !== 'FEATURE_NOT_ENABLED') return why;
  const asked: Readonly<Record<Parameter, unknown>> = { summarize: request.summary, topics: request.topics, intents: request.intents, sentiment: request.sentiments, detect_entities: request.entities };
  return invalid(refused('not enabled on this server, which has no language model', (name) => asked[name] !== undefined));
}

const refused = (message: string, isAsked: (name: Parameter) => boolean): ErrorDetail[] => PARAMETERS.filter(isAsked).map((field) => ({ field, message }));

function labels(reader: QueryReader, parameter: string, custom: string): LabelRequest | undefined {
  const named = reader.all(custom);
  const onlyNamed = reader.choice(`${custom}_mode`, MODES) ?? false;
  if (named.length > MAX_NAMED || named.some((name) => name.length > MAX_NAME_CHARS)) reader.refuse(custom, `at most ${String(MAX_NAMED)}, of ${String(MAX_NAME_CHARS)} characters`);
  if (!reader.flag(parameter)) return undefined;
  return { ...(named.length > 0 && { named, onlyNamed }) };
}

/** What the answer has of an analysis, and where. `confidence` and `confidence_score` are 0: nobody tells any. */
export class DeepgramFindings {
  readonly #analysis: Analysis;
  /** By channel. */
  readonly #lanes: readonly (readonly Word[])[];

  constructor(analysis: Analysis, lanes: readonly (readonly Word[])[]) {
    this.#analysis = analysis;
    this.#lanes = lanes;
  }

  /** Of `results`. What failed is empty, and among the `warnings`. */
  results(): object {
    const { summary, topics, intents, sentiments } = this.#analysis;
    return {
      ...(summary && { summary: { result: summary.error ? 'failure' : 'success', short: summary.value ?? '' } }),
      ...(topics && { topics: { segments: this.#labelled(topics, 'topics', 'topic') } }),
      ...(intents && { intents: { segments: this.#labelled(intents, 'intents', 'intent') } }),
      ...(sentiments && { sentiments: this.#sentiments(sentiments.value ?? []) }),
    };
  }

  /** Of the first alternative of a channel. */
  entities(lane: number): object {
    const { entities } = this.#analysis;
    if (!entities) return {};
    const found = (entities.value ?? []).filter(({ laneIndex }) => laneIndex === lane);
    return { entities: found.map((entity) => ({ label: entity.type, value: entity.text, confidence: 0, ...this.#place(entity) })) };
  }

  /** Of `metadata`. */
  warnings(): object {
    const { summary, topics, intents, sentiments, entities } = this.#analysis;
    const parts: Readonly<Record<Parameter, Found<unknown> | undefined>> = { summarize: summary, topics, intents, sentiment: sentiments, detect_entities: entities };
    const warnings = PARAMETERS.flatMap((parameter) => {
      const error = parts[parameter]?.error;
      return error ? [{ parameter, type: error.code.toLowerCase(), message: error.message }] : [];
    });
    return warnings.length > 0 ? { warnings } : {};
  }

  #labelled({ value = [] }: Found<readonly LabelledText[]>, plural: string, singular: string): object[] {
    return value.map((each) => ({ text: each.text, ...this.#place(each), [plural]: each.labels.map((label) => ({ [singular]: label, confidence_score: 0 })) }));
  }

  /** Of the model's words the vendor's number is made: 1, 0 or -1. The average is that of all words. */
  #sentiments(found: readonly Sentiment[]): object {
    const segments = found
      .filter(({ sentiment }) => sentiment !== 'unknown')
      .map((each) => ({ text: each.text, ...this.#place(each), ...judged(each.sentiment === 'positive' ? 1 : each.sentiment === 'negative' ? -1 : 0) }));
    const words = segments.map(({ start_word: first, end_word: last }) => last - first + 1);
    const count = words.reduce((sum, each) => sum + each, 0);
    const total = segments.reduce((sum, segment, index) => sum + segment.sentiment_score * (words[index] ?? 0), 0);
    return { segments, ...(count > 0 && { average: judged(roundedTo(total / count, 4)) }) };
  }

  /** First and last of the channel's words, both of them in it. */
  #place({ laneIndex, startSample, endSample }: PlacedText): { readonly start_word: number; readonly end_word: number } {
    const words = this.#lanes[laneIndex] ?? [];
    const first = words.findIndex((word) => word.startSample >= startSample);
    return { start_word: Math.max(0, first), end_word: Math.max(0, words.findLastIndex((word) => word.endSample <= endSample)) };
  }
}

const judged = (score: number): { readonly sentiment: string; readonly sentiment_score: number } => ({
  sentiment: score >= DECIDED ? 'positive' : score <= -DECIDED ? 'negative' : 'neutral',
  sentiment_score: score,
});
