import type { Backend } from '../backend.ts';
import type { Recognizer } from '../recognizer.ts';
import type { SessionPlace } from '../session/session.ts';
import type { BackendLetter } from '../store/tenants.ts';

export interface FakeBackendOptions {
  /** Default: the recognizer's. */
  readonly id?: string;
  /** Default `A`. */
  readonly letter?: BackendLetter;
  /** Default `fake-model`. */
  readonly model?: string;
}

/** A backend with one model, open to every tenant. */
export function backendOf(recognizer: Recognizer, options: FakeBackendOptions = {}): Backend {
  return {
    id: options.id ?? recognizer.id,
    letter: options.letter ?? 'A',
    offers: () => Promise.resolve([{ model: options.model ?? 'fake-model', recognizer, rank: { live: 10, batch: 10 } }]),
    snapshot: () => recognizer.snapshot(),
    ready: () => Promise.resolve(),
    close: () => recognizer.close(),
  };
}

/** Takes places at one recognizer, as backend `A`. */
export function placesAt(recognizer: Recognizer): () => SessionPlace {
  return () => {
    const lease = recognizer.admit('live');
    return { lease, backend: 'A', model: 'fake-model', capabilities: lease.capabilities ?? recognizer.capabilities };
  };
}
