import { createDeepgramRelay } from './deepgram.ts';
import { createEarshotRelay } from './earshot.ts';
import { createGladiaRelay } from './gladia.ts';
import { createOpenAiRelay } from './openai.ts';
import type { Relay } from './relay.ts';
import type { RelayDependencies, RelayKind, RelaySettings } from './settings.ts';

type CreateRelay = (settings: RelaySettings, deps: RelayDependencies) => Relay;

const KINDS: Readonly<Record<RelayKind, CreateRelay>> = {
  deepgram: createDeepgramRelay,
  gladia: createGladiaRelay,
  openai: createOpenAiRelay,
  earshot: createEarshotRelay,
};

/** The recognizer for one configured upstream. Connects to nothing before the first session. */
export function createRelay(settings: RelaySettings, deps: RelayDependencies): Relay {
  return KINDS[settings.kind](settings, deps);
}
