import type { Config } from '../../config/config.ts';
import { RELAY_SECRET_PREFIX, type Backend, type RecognizerOffer } from '../../core/backend.ts';
import { systemClock } from '../../core/clock.ts';
import type { RecognizerPriority } from '../../core/recognizer.ts';
import type { BackendContext } from '../backend-context.ts';
import { createRelay } from './index.ts';
import type { RelayKind } from './settings.ts';

const STREAMING = { live: 80, batch: 60 } as const;
/** Whole chunks at a time: late for captions, and with the context that such models are best with. */
const CHUNKED = { live: 40, batch: 70 } as const;
const RANKS: Readonly<Record<RelayKind, Readonly<Record<RecognizerPriority, number>>>> = {
  deepgram: STREAMING,
  gladia: STREAMING,
  openai: CHUNKED,
  earshot: CHUNKED,
};

/** Longest upload, in seconds: as long as ScaiEcho's; an Earshot gets whole utterances, because its engine adapts to each upload anew. */
const CHUNK_SECONDS: Readonly<Record<RelayKind, number>> = { deepgram: 5, gladia: 5, openai: 5, earshot: 15 };

/** A backend for each relay of the settings. */
export function createRelayBackends(context: BackendContext): readonly Backend[] {
  return context.config.relays.map((settings) => createRelayBackend(settings, context));
}

function createRelayBackend({ key, requiresKey, ...settings }: Config['relays'][number], { tenantSecret }: BackendContext): Backend {
  /** The tenant's own key comes before the server's. */
  const credentialOf = async (tenantId: string): Promise<string | undefined> => (await tenantSecret?.(tenantId, RELAY_SECRET_PREFIX + settings.id)) ?? key;
  const recognizer = createRelay({ ...settings, chunkSeconds: settings.chunkSeconds ?? CHUNK_SECONDS[settings.kind] }, { clock: systemClock, credentialOf });
  const offer: RecognizerOffer = { model: settings.model ?? settings.id, recognizer, rank: RANKS[settings.kind] };
  return {
    id: settings.id,
    letter: 'B',
    offers: async (tenantId) => {
      const isKnown = !requiresKey || (await credentialOf(tenantId).catch(() => undefined)) !== undefined;
      return isKnown ? [offer] : [];
    },
    snapshot: () => recognizer.snapshot(),
    ready: () => Promise.resolve(),
    close: () => recognizer.close(),
  };
}
