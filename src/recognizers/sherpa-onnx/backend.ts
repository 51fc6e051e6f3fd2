import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Backend, RecognizerOffer } from '../../core/backend.ts';
import { EarshotError } from '../../core/errors.ts';
import type { RecognizerPriority, RecognizerSnapshot } from '../../core/recognizer.ts';
import type { BackendContext } from '../backend-context.ts';
import { SherpaOnnx } from '../sherpa-onnx.ts';
import { FAMILIES } from './families.ts';
import type { EngineTask } from './engine-task.ts';
import type { ModelDescription } from './model-folder.ts';
import { type InstalledModel, ModelStore } from './model-store.ts';

/** Standing of a model of which nobody knows the language: it serves who names it. */
const UNKNOWN_LANGUAGE_RANK = 1;

/** All models in the folder `models` of the data folder. */
export function createSherpaOnnxBackend(context: BackendContext): Backend {
  return new SherpaOnnxBackend(context);
}

/** Where models are installed. */
export function modelsFolder(dataDir: string): string {
  return resolve(join(dataDir, 'models'));
}

/** An offer, with its recognizer as what it is. */
type Offer = RecognizerOffer & { readonly recognizer: SherpaOnnx };

class SherpaOnnxBackend implements Backend {
  readonly id = 'sherpa-onnx';
  readonly letter = 'A';
  readonly #context: BackendContext;
  readonly #store: ModelStore;
  /** By the name of the model. */
  #offered = new Map<string, Offer>();
  /** Those of models that are gone, until their sessions are. */
  readonly #retired = new Set<SherpaOnnx>();
  #seen = '';
  #looking: Promise<void> = Promise.resolve();

  constructor(context: BackendContext) {
    this.#context = context;
    this.#store = new ModelStore(modelsFolder(context.config.dataDir));
  }

  async offers(): Promise<readonly RecognizerOffer[]> {
    this.#looking = this.#looking.then(() => this.#look());
    await this.#looking;
    return [...this.#offered.values()];
  }

  snapshot(): RecognizerSnapshot {
    const each = [...this.#offered.values()].map(({ recognizer }) => recognizer.snapshot());
    const sum = (of: (snapshot: RecognizerSnapshot) => number): number => each.reduce((total, snapshot) => total + of(snapshot), 0);
    const ready = each.some((snapshot) => snapshot.ready);
    return {
      ready,
      ...(!ready && { reason: each.find((snapshot) => snapshot.reason)?.reason ?? NO_MODEL }),
      activeSessions: sum((snapshot) => snapshot.activeSessions),
      maxSessions: sum((snapshot) => snapshot.maxSessions),
      restarts: sum((snapshot) => snapshot.restarts),
    };
  }

  /** Loads the best model for such sessions. */
  async ready(priority: RecognizerPriority): Promise<void> {
    const [best] = [...(await this.offers())].sort((one, other) => other.rank[priority] - one.rank[priority]);
    const offer = best && this.#offered.get(best.model);
    if (!offer) throw new EarshotError('BACKEND_UNAVAILABLE', `No recognizer is ready: ${NO_MODEL}.`);
    await offer.recognizer.ready(priority).catch((cause: unknown) => {
      throw new EarshotError('BACKEND_UNAVAILABLE', (cause as Error).message, { cause });
    });
  }

  async close(): Promise<void> {
    await this.#looking;
    await Promise.all([...this.#retired, ...[...this.#offered.values()].map(({ recognizer }) => recognizer)].map((recognizer) => recognizer.close()));
  }

  /** Looks into the folder again if something was put there or taken away. */
  async #look(): Promise<void> {
    const folder = await stat(this.#store.folder).catch(() => undefined);
    const seen = String(folder?.mtimeMs);
    if (seen === this.#seen) return;
    this.#seen = seen;
    const installed = await this.#store.list().catch((error: unknown) => {
      this.#context.log.error({ err: error }, 'the installed models cannot be read');
      return [];
    });
    const before = this.#offered;
    this.#offered = new Map(installed.flatMap((each) => this.#offer(each, before.get(each.name), installed) ?? []).map((offer) => [offer.model, offer]));
    for (const [name, { recognizer }] of before) {
      if (this.#offered.get(name)?.recognizer !== recognizer) this.#retired.add(recognizer);
    }
    for (const recognizer of this.#retired) {
      if (recognizer.snapshot().activeSessions > 0) continue;
      this.#retired.delete(recognizer);
      await recognizer.close();
    }
  }

  #offer({ name, folder, model, problem }: InstalledModel, before: Offer | undefined, installed: readonly InstalledModel[]): Offer | undefined {
    if (!model) {
      this.#context.log.warn({ model: name, problem }, 'a folder among the installed models is none');
      return undefined;
    }
    if (FAMILIES[model.family].mode === 'text') return undefined;
    return before ?? { model: name, recognizer: this.#recognizer(model, folder, punctuationFor(model, installed)), rank: rankOf(model) };
  }

  #recognizer(model: ModelDescription, folder: string, punctuation: EngineTask['punctuation']): SherpaOnnx {
    const { config, log, hold } = this.#context;
    return new SherpaOnnx({
      model,
      folder,
      ...(hold && { hold }),
      ...(punctuation && { punctuation }),
      ...(config.maxLiveSessions !== undefined && { maxLiveSessions: config.maxLiveSessions }),
      ...(config.maxBatchSessions !== undefined && { maxBatchSessions: config.maxBatchSessions }),
      onEngineExit: (exit) => {
        log.warn({ ...exit, model: model.name }, 'an engine process ended and is replaced; its sessions are replayed');
      },
      onEngineStartFailed: (reason) => {
        log.error({ reason, model: model.name }, 'a model cannot be loaded');
      },
    });
  }
}

/** The installed punctuation model that the manifest names, or else one for all languages of the model. */
function punctuationFor({ languages, manifest }: ModelDescription, installed: readonly InstalledModel[]): EngineTask['punctuation'] {
  const fits = ({ name, model }: InstalledModel): boolean =>
    manifest.punctuation === undefined ? languages.length > 0 && languages.every((language) => model?.languages.includes(language)) : name === manifest.punctuation;
  const found = installed.find((each) => each.model && FAMILIES[each.model.family].mode === 'text' && fits(each));
  return found?.model && { model: found.model, folder: found.folder };
}

const NO_MODEL = 'no model is installed';

function rankOf({ family, languages, manifest }: ModelDescription): RecognizerOffer['rank'] {
  if (languages.length === 0) return { live: UNKNOWN_LANGUAGE_RANK, batch: UNKNOWN_LANGUAGE_RANK };
  const { live, batch } = FAMILIES[family].rank;
  return { live: manifest.rank?.live ?? live, batch: manifest.rank?.batch ?? batch };
}
