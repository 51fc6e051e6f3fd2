import type { Companion } from '../../../signaling/resumable-conversation.ts';
import type { GladiaConversation } from '../../../signaling/dialects/gladia.ts';
import { analysisOf, summaryOf, type GladiaInit } from '../../../signaling/dialects/gladia-init.ts';
import { systemClock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';
import { asksForAnalysis, type AnalysisOptions, type TextAnalyst } from '../../core/text-analysis.ts';
import type { NumberedEvent, Utterance } from '../../core/transcript.ts';

export interface LiveAddOnsOptions {
  readonly analyst: TextAnalyst;
  readonly tenantId: string;
  readonly init: GladiaInit;
  readonly conversation: GladiaConversation;
  readonly language: () => string | undefined;
  readonly say: (messages: readonly string[]) => void;
}

/** Longest time after its last word that a session waits for what a language model finds. */
const MAX_SETTLING_MS = 5 * 60_000;

/** Translations, entities and sentiments of each utterance as it is settled, and the summary at the end. */
export class LiveAddOns implements Companion {
  readonly #options: LiveAddOnsOptions;
  readonly #pending = new Set<Promise<void>>();
  readonly #tooLong = new AbortController();
  #analysed = false;

  constructor(options: LiveAddOnsOptions) {
    this.#options = options;
  }

  heard(event: NumberedEvent): void {
    if (event.type !== 'utterance.final' || event.utterance.words.length === 0 || !asksForAnalysis(analysisOf(this.#options.init))) return;
    const work = this.#analyse(event.utterance).finally(() => this.#pending.delete(work));
    this.#pending.add(work);
  }

  async settled(): Promise<void> {
    const cancel = systemClock.setTimer(MAX_SETTLING_MS, () => {
      this.#tooLong.abort(new EarshotError('BACKEND_TIMEOUT', 'The language model took too long.'));
    });
    await Promise.all(this.#pending);
    await this.#conclude();
    cancel();
  }

  async #analyse(utterance: Utterance): Promise<void> {
    const { analyst, tenantId, init, conversation, say } = this.#options;
    this.#analysed = true;
    say(conversation.analysed(utterance, await analyst.analyse(tenantId, [utterance], analysisOf(init), this.#how())));
  }

  async #conclude(): Promise<void> {
    const { analyst, tenantId, init, conversation } = this.#options;
    const summary = summaryOf(init);
    const each = analysisOf(init);
    if (!this.#analysed && asksForAnalysis(each)) conversation.heardNothing(await analyst.analyse(tenantId, [], each, this.#how()));
    const { summary: found } = summary === undefined ? {} : await analyst.analyse(tenantId, conversation.utterances, { summary }, this.#how());
    if (found) conversation.summarized(found);
  }

  #how(): AnalysisOptions {
    const language = this.#options.language();
    return { priority: 'live', signal: this.#tooLong.signal, ...(language !== undefined && { language }) };
  }
}
