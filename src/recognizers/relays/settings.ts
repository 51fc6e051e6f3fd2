import type { Clock } from '../../core/clock.ts';

/** The shape of an upstream's API. */
export const RELAY_KINDS = ['deepgram', 'gladia', 'openai', 'earshot'] as const;

export type RelayKind = (typeof RELAY_KINDS)[number];

/** One upstream, as the operator describes it. */
export interface RelaySettings {
  /** Names the relay in logs, in its key's environment variable and in the tenants' secrets. */
  readonly id: string;
  readonly kind: RelayKind;
  /** Base address, `https://...`; each kind adds its own path. */
  readonly url: string;
  /** Default: the upstream's own, or the usual one of its kind. */
  readonly model?: string | undefined;
  /** Languages offered, by ISO 639-1 code. One alone is named to the upstream even if the client named none. */
  readonly languages: readonly string[];
  /** Sessions at a time. */
  readonly maxSessions: number;
  /** Audio that a chunked relay collects before it asks, in seconds; a session may wish another length. */
  readonly chunkSeconds: number;
  /** OpenAI shape: ask for a time per word. Models that answer with text alone refuse the question. */
  readonly wordTimes: boolean;
  /** Longest time to connect, in ms. */
  readonly connectMs: number;
  /** Longest time without any message while audio is unanswered, in ms (streaming kinds). */
  readonly silenceMs: number;
  /** Longest time for the words of audio that is complete, in ms, besides the length of that audio. */
  readonly answerMs: number;
}

/** What every relay needs from outside. */
export interface RelayDependencies {
  readonly clock: Clock;
  /** The key for the upstream: the tenant's own, or the server's; undefined where there is none. Never logged. */
  readonly credentialOf: (tenantId: string, relayId: string) => Promise<string | undefined>;
}
