import type { Clock } from '../core/clock.ts';
import { EarshotError, toEarshotError } from '../core/errors.ts';
import type { LanguageModel } from '../core/language-model.ts';
import type { TenantStore } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import type { Analysis, AnalysisOptions, AnalysisRequest, Found, PlacedText, TextAnalyst } from '../core/text-analysis.ts';
import { numbered, pieces, type NumberedUtterance } from './pieces.ts';
import { chapterTask, entityTask, labelTask, promptTask, sentimentTask, summaryTask, type Task, translationTask, wholeSummaryTask } from './tasks.ts';
import { Turns } from './turns.ts';

export interface AnalystOptions {
  /** Absent: nothing of the kind is offered. */
  readonly model?: LanguageModel;
  readonly policies: Pick<TenantStore, 'policy'>;
  readonly clock: Clock;
  /** Questions at a time, of all tenants. Default 4. */
  readonly concurrency?: number;
  /** Text in one question, in characters. Default 24 000. */
  readonly maxChars?: number;
  /** Told what a task failed of; never of text. */
  readonly onFailure?: (failure: { readonly task: string; readonly code: string }) => void;
}

/** A server that closes waits for no model. */
export interface ClosableAnalyst extends TextAnalyst {
  /** Breaks off what is being asked, and answers everything with `SERVER_STOPPING` from then on. */
  close(): void;
}

const DEFAULT_CONCURRENCY = 4;
const DEFAULT_MAX_CHARS = 24_000;
/** Questions that wait, of each priority. */
const MAX_WAITING = 1000;
/** An answer in the wrong shape is asked for once more. */
const MAX_ASKED = 2;

type Ask = <T>(task: Task<T>) => Promise<T>;
type Work<T> = (ask: Ask, all: readonly NumberedUtterance[]) => Promise<T>;

/** Everything that needs to understand text, by one language model: what to ask it, in which pieces, and what of its answers can be believed. */
export function createAnalyst(options: AnalystOptions): ClosableAnalyst {
  const { model, policies, clock, maxChars = DEFAULT_MAX_CHARS, onFailure } = options;
  const turns = new Turns(options.concurrency ?? DEFAULT_CONCURRENCY, MAX_WAITING);
  const closing = new AbortController();

  /** Throws what refuses it. */
  const modelFor = async (tenantId: string): Promise<LanguageModel> => {
    if (!model) throw new EarshotError('FEATURE_NOT_ENABLED', 'This server has no language model for it.');
    if (model.letter === 'A') return model;
    const policy = (await policies.policy(tenantId)) ?? DEFAULT_TENANT_POLICY;
    if (policy.residency === 'self_hosted' || policy.allowedBackends === 'A') {
      throw new EarshotError('AUTHZ_PERMISSION_DENIED', 'The tenant policy keeps text on this server, and the language model is elsewhere.');
    }
    return model;
  };

  const asking = (chosen: LanguageModel, { priority, signal }: AnalysisOptions): Ask => {
    const until = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
    return async (task) => {
      for (let asked = 1; ; asked += 1) {
        const text = await turns.take(priority, until, () => chosen.answer(task, until));
        try {
          return task.read(text);
        } catch (error) {
          if (asked === MAX_ASKED) throw error;
        }
      }
    };
  };

  return {
    refusal: (tenantId) => modelFor(tenantId).then(() => undefined, toEarshotError),
    async analyse(tenantId, utterances, request, analysisOptions) {
      const part = async <T>(task: string, work: Work<T>): Promise<Found<T>> => {
        const startedAtMs = clock.nowMs();
        const tookMs = (): number => Math.round(clock.nowMs() - startedAtMs);
        try {
          const chosen = await modelFor(tenantId);
          const value = await work(asking(chosen, analysisOptions), numbered(utterances));
          return { value, tookMs: tookMs() };
        } catch (thrown) {
          const { code, message } = toEarshotError(thrown);
          if (code !== 'FEATURE_NOT_ENABLED') onFailure?.({ task, code });
          return { error: { code, message }, tookMs: tookMs() };
        }
      };
      return work(request, maxChars, part, analysisOptions.language);
    },
    close: () => {
      closing.abort(new EarshotError('SERVER_STOPPING', 'The server is shutting down.'));
    },
  };
}

type Part = <T>(task: string, work: Work<T>) => Promise<Found<T>>;

async function work(request: AnalysisRequest, maxChars: number, part: Part, spokenLanguage: string | undefined): Promise<Analysis> {
  const { summary, translation, entities, sentiments, chapters, topics, intents, prompts } = request;
  const inPieces =
    <T>(task: (piece: readonly NumberedUtterance[]) => Task<readonly T[]>): Work<readonly T[]> =>
    async (ask, all) =>
      (await Promise.all(pieces(all, maxChars).map((piece) => ask(task(piece))))).flat();
  const [summarized, translations, named, judged, cut, about, wanted, answers] = await Promise.all([
    summary && part('summary', summarizing(summary, maxChars)),
    translation &&
      Promise.all(
        translation.targets.map(async (language) => {
          const translating = language === spokenLanguage ? inTheirOwnWords : inPieces((piece) => translationTask(language, translation, piece));
          return { language, found: await part('translation', translating) };
        }),
      ),
    entities === true ? part('entities', inPieces(entityTask)) : undefined,
    sentiments === true ? part('sentiments', inPieces(sentimentTask)) : undefined,
    chapters === true ? part('chapters', inPieces(chapterTask)) : undefined,
    topics && part('topics', inPieces((piece) => labelTask('the topics', topics, piece))),
    intents && part('intents', inPieces((piece) => labelTask('the intents of the speaker (what they want to do or get)', intents, piece))),
    prompts && Promise.all(prompts.map(async (prompt) => ({ prompt, found: await part('prompt', answering(prompt, maxChars)) }))),
  ]);
  return {
    ...(summarized && { summary: summarized }),
    ...(translations && { translations }),
    ...(named && { entities: named }),
    ...(judged && { sentiments: judged }),
    ...(cut && { chapters: cut }),
    ...(about && { topics: about }),
    ...(wanted && { intents: wanted }),
    ...(answers && { answers }),
  };
}

/** What is said in the language already needs nobody to translate it. */
const inTheirOwnWords: Work<readonly PlacedText[]> = (_ask, all) =>
  Promise.resolve(all.map(({ text, utterance: { laneIndex, startSample, endSample } }) => ({ text, laneIndex, startSample, endSample })));

/** Nothing said has nothing in it: the model is not asked. */
function summarizing(style: NonNullable<AnalysisRequest['summary']>, maxChars: number): Work<string> {
  return async (ask, all) => {
    let texts = pieces(all, maxChars).map(spoken);
    if (texts.length === 0) return '';
    if (texts.length === 1) return ask(summaryTask(style, texts[0]!));
    texts = await Promise.all(texts.map((text) => ask(summaryTask('general', text))));
    return ask(wholeSummaryTask(style, texts));
  };
}

/** A text that is too long for one question is asked piece by piece, and the answers about its pieces are put together by the model. */
function answering(prompt: string, maxChars: number): Work<string> {
  return async (ask, all) => {
    const texts = pieces(all, maxChars).map(spoken);
    if (texts.length === 0) return '';
    const answers = await Promise.all(texts.map((text) => ask(promptTask(prompt, text))));
    return answers.length === 1 ? answers[0]! : ask(promptTask(`${prompt} (The transcript is given as what was found in its consecutive parts.)`, answers.join('\n\n')));
  };
}

/** A line each, with who speaks, where that is known. */
const spoken = (piece: readonly NumberedUtterance[]): string => piece.map(({ utterance, text }) => (utterance.speaker ? `${utterance.speaker.label}: ${text}` : text)).join('\n');

