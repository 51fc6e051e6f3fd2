import { EarshotError, type ErrorCode } from '../errors.ts';
import type { Analysis, AnalysisRequest, Found, PlacedText, TextAnalyst } from '../text-analysis.ts';
import { textOf, type Utterance } from '../transcript.ts';

/** What it is asked for, by tenant. */
export interface Asked {
  readonly tenantId: string;
  readonly request: AnalysisRequest;
}

/** Understands nothing, and answers what can be foreseen: a translation is the text with its language, everything is neutral, every first word is a person. */
export class FakeAnalyst implements TextAnalyst {
  readonly asked: Asked[] = [];
  /** Fails everything with this. A server without a language model by default. */
  fault: ErrorCode | undefined = 'FEATURE_NOT_ENABLED';
  /** Answers wait for it. */
  gate: Promise<void> = Promise.resolve();

  refusal(): Promise<EarshotError | undefined> {
    return Promise.resolve(this.fault === 'FEATURE_NOT_ENABLED' || this.fault === 'AUTHZ_PERMISSION_DENIED' ? new EarshotError(this.fault, `fake: ${this.fault}`) : undefined);
  }

  async analyse(tenantId: string, utterances: readonly Utterance[], request: AnalysisRequest): Promise<Analysis> {
    this.asked.push({ tenantId, request });
    await this.gate;
    const found = <T>(value: T): Found<T> => (this.fault === undefined ? { value, tookMs: 5 } : { error: { code: this.fault, message: `fake: ${this.fault}` }, tookMs: 5 });
    const placed = utterances.map(({ words, laneIndex, startSample, endSample }): PlacedText => ({ text: textOf(words), laneIndex, startSample, endSample }));
    const { summary, translation, entities, sentiments, chapters, topics, intents, prompts } = request;
    return {
      ...(summary !== undefined && { summary: found(`${summary} of ${String(utterances.length)}`) }),
      ...(translation && { translations: translation.targets.map((language) => ({ language, found: found(placed.map((each) => ({ ...each, text: `${language}:${each.text}` }))) })) }),
      ...(entities === true && { entities: found(utterances.flatMap(({ laneIndex, words: [word] }) => (word ? [{ type: 'PERSON', text: word.text, laneIndex, startSample: word.startSample, endSample: word.endSample }] : []))) }),
      ...(sentiments === true && { sentiments: found(placed.map((each) => ({ ...each, sentiment: 'neutral' as const, emotion: 'neutral' as const }))) }),
      ...(chapters === true && { chapters: found(placed.slice(0, 1).map((each) => ({ ...each, headline: 'All of it', gist: 'all', keywords: ['all'] }))) }),
      ...(topics && { topics: found(placed.slice(0, 1).map((each) => ({ ...each, labels: topics.named ?? ['Topic'] }))) }),
      ...(intents && { intents: found(placed.slice(-1).map((each) => ({ ...each, labels: intents.named ?? ['Intent'] }))) }),
      ...(prompts && { answers: prompts.map((prompt) => ({ prompt, found: found(`answer to ${prompt}`) })) }),
    };
  }
}
