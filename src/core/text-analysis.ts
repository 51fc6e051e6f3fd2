import type { EarshotError, ErrorCode } from './errors.ts';
import type { RecognizerPriority } from './recognizer.ts';
import type { Utterance } from './transcript.ts';

/** `general`: a paragraph or two; `bullet_points`: a list, a line each; `concise`: one or two sentences. */
export const SUMMARY_STYLES = ['general', 'bullet_points', 'concise'] as const;
export type SummaryStyle = (typeof SUMMARY_STYLES)[number];

/** What a language model is to do with what was said. */
export interface AnalysisRequest {
  readonly summary?: SummaryStyle;
  readonly translation?: TranslationRequest;
  /** Names of people, places, organizations, dates, amounts, ... */
  readonly entities?: boolean;
  /** Of each utterance. */
  readonly sentiments?: boolean;
  readonly chapters?: boolean;
  /** What is spoken about. */
  readonly topics?: LabelRequest;
  /** What speakers want: `Get a refund`. */
  readonly intents?: LabelRequest;
  /** Questions of the client about the whole text, each answered for itself. */
  readonly prompts?: readonly string[];
}

export interface TranslationRequest {
  /** ISO 639 codes. */
  readonly targets: readonly string[];
  /** The familiar form of address, where the language has one. Default: as it fits. */
  readonly informal?: boolean;
  /** What the client tells about the conversation. */
  readonly context?: string;
}

export interface LabelRequest {
  /** Labels that the client names. */
  readonly named?: readonly string[];
  /** Those that the client names, and no others. */
  readonly onlyNamed?: boolean;
}

/** What became of one task: never a guess where it failed. */
export type Found<T> = { readonly tookMs: number } & (
  | { readonly value: T; readonly error?: undefined }
  /** `FEATURE_NOT_ENABLED` where there is no language model, `AUTHZ_PERMISSION_DENIED` where the tenant's text may not go to it. */
  | { readonly error: { readonly code: ErrorCode; readonly message: string }; readonly value?: undefined }
);

/** Text with the place of an utterance, or of words in it. */
export interface PlacedText {
  readonly text: string;
  readonly laneIndex: number;
  readonly startSample: number;
  readonly endSample: number;
}

/** `text` is as it was said: what the model names and nobody said is left out. */
export interface NamedEntity extends PlacedText {
  /** `PERSON`, `LOCATION`, `ORGANIZATION`, ... in capitals. */
  readonly type: string;
}

export const SENTIMENTS = ['positive', 'negative', 'neutral', 'mixed', 'unknown'] as const;
export const EMOTIONS = [
  'neutral', 'adoration', 'amusement', 'anger', 'awe', 'confusion', 'contempt', 'contentment', 'desire', 'disappointment', 'disgust', 'distress', 'ecstatic', 'elation',
  'embarrassment', 'fear', 'interest', 'pain', 'realization', 'relief', 'sadness', 'negative_surprise', 'positive_surprise', 'sympathy', 'triumph',
] as const;

export interface Sentiment extends PlacedText {
  readonly sentiment: (typeof SENTIMENTS)[number];
  readonly emotion: (typeof EMOTIONS)[number];
}

/** `text`: its summary. */
export interface Chapter extends PlacedText {
  readonly headline: string;
  /** The headline in a few words. */
  readonly gist: string;
  readonly keywords: readonly string[];
}

/** `text`: an utterance that something was found in. */
export interface LabelledText extends PlacedText {
  readonly labels: readonly string[];
}

/** There is a part for everything that was asked for, whatever became of it. */
export interface Analysis {
  readonly summary?: Found<string>;
  /** In the order of the targets; each has one text per utterance. */
  readonly translations?: readonly { readonly language: string; readonly found: Found<readonly PlacedText[]> }[];
  readonly entities?: Found<readonly NamedEntity[]>;
  readonly sentiments?: Found<readonly Sentiment[]>;
  readonly chapters?: Found<readonly Chapter[]>;
  readonly topics?: Found<readonly LabelledText[]>;
  readonly intents?: Found<readonly LabelledText[]>;
  readonly answers?: readonly { readonly prompt: string; readonly found: Found<string> }[];
}

export interface AnalysisOptions {
  /** Of the utterances, as far as it is known. */
  readonly language?: string;
  /** Live text is served first. */
  readonly priority: RecognizerPriority;
  readonly signal?: AbortSignal;
}

/** Whoever understands text. */
export interface TextAnalyst {
  /** What every part would fail of as things are: `FEATURE_NOT_ENABLED`, `AUTHZ_PERMISSION_DENIED`. Undefined: it is worth a try. */
  refusal(tenantId: string): Promise<EarshotError | undefined>;
  /** `utterances` are in order. Never rejects: what fails says so in its part. */
  analyse(tenantId: string, utterances: readonly Utterance[], request: AnalysisRequest, options: AnalysisOptions): Promise<Analysis>;
}

/** Text of a language model in the place of what was said: its words have no times of their own. */
export function spokenAs({ text, laneIndex, startSample, endSample }: PlacedText, index: number): Utterance {
  const words = text.split(/\s+/).filter((word) => word !== '').map((word) => ({ text: word, startSample, endSample, untimed: true as const }));
  return { id: `T${String(index)}`, laneIndex, text, words, startSample, endSample, stableWords: words.length };
}

/** What was heard, with what a language model makes of it where that is wanted. What fails is told in the analysis. */
export async function analysed<T extends { readonly utterances: readonly Utterance[]; readonly language?: string }>(
  analyst: TextAnalyst,
  tenantId: string,
  heard: T,
  request: AnalysisRequest | undefined,
  options: Omit<AnalysisOptions, 'language'>,
): Promise<T & { readonly analysis?: Analysis }> {
  if (!request || !asksForAnalysis(request)) return heard;
  const { language, utterances } = heard;
  const analysis = await analyst.analyse(tenantId, utterances, request, { ...options, ...(language !== undefined && { language }) });
  options.signal?.throwIfAborted();
  return { ...heard, analysis };
}

/** Whether there is anything to do. */
export function asksForAnalysis({ summary, translation, entities, sentiments, chapters, topics, intents, prompts }: AnalysisRequest): boolean {
  return [summary, translation, topics, intents, prompts].some((each) => each !== undefined) || [entities, sentiments, chapters].includes(true);
}
