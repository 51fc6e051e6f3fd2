import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import type { LanguageModel, LanguageQuestion } from '../core/language-model.ts';
import type { BackendLetter } from '../core/store/tenants.ts';
import { post } from '../recognizers/relays/post.ts';
import { retrying } from '../recognizers/relays/retrying.ts';
import { misshapen, shaped } from '../recognizers/relays/upstream-error.ts';

export interface ChatCompletionsOptions {
  /** Base address, as `https://api.example.com/v1`. */
  readonly url: string;
  readonly model: string;
  readonly key?: string;
  readonly letter: BackendLetter;
  /** Longest time of one attempt, in ms. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Names it in errors. */
const ID = 'language-model';

const completion = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }), finish_reason: z.string().nullish() })).min(1),
});

/**
 * A model behind `POST {url}/chat/completions`, as OpenAI, vLLM, llama.cpp, Ollama and many others have it. Only what all of them know is
 * sent: model and messages. An answer that was cut off at its longest is no answer.
 */
export function createChatCompletions({ url, model, key, letter, timeoutMs, clock }: ChatCompletionsOptions): LanguageModel {
  const headers = { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  const address = `${url.replace(/\/+$/, '')}/chat/completions`;
  return {
    letter,
    answer: (question, signal) =>
      retrying(clock, signal, async () => {
        const text = await post({ relayId: ID, url: address, headers, body: bodyOf(model, question), deadlineMs: timeoutMs }, clock, signal);
        const [choice] = shaped(completion, text, ID).choices;
        if (!choice || choice.finish_reason === 'length') throw misshapen(ID, 'its answer was cut off');
        return choice.message.content;
      }),
  };
}

const bodyOf = (model: string, { instructions, input }: LanguageQuestion): string =>
  JSON.stringify({
    model,
    messages: [
      { role: 'system', content: instructions },
      { role: 'user', content: input },
    ],
  });
