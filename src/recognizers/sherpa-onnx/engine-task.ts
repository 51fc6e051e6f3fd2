import type { ModelDescription } from './model-folder.ts';

/** What an engine process is to load. */
export interface EngineTask {
  readonly model: ModelDescription;
  /** Absolute path of the model's folder. */
  readonly folder: string;
  readonly threads: number;
  /** A model that adds punctuation to finals. */
  readonly punctuation?: { readonly model: ModelDescription; readonly folder: string };
}
