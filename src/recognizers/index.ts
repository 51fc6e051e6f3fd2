import type { Backend } from '../core/backend.ts';
import { BatchHold } from './adapters/batch-hold.ts';
import type { BackendContext, CreateBackend } from './backend-context.ts';
import { createPocketSphinxBackend } from './pocketsphinx/backend.ts';
import { createRelayBackends } from './relays/backend.ts';
import { createSherpaOnnxBackend } from './sherpa-onnx/backend.ts';

/** Every backend there is. Where ranks are equal, the earlier one is taken. */
const BACKENDS: readonly CreateBackend[] = [createPocketSphinxBackend, createSherpaOnnxBackend, createRelayBackends];

/** The backends that the settings ask for. */
export function createBackends(context: BackendContext): Backend[] {
  const shared = { ...context, hold: new BatchHold() };
  return BACKENDS.flatMap((create) => create(shared) ?? []);
}
