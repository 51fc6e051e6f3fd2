import type { HeardVoice, Voiceprint } from './voice.ts';

/** What an engine process is asked. `id` comes back with the answer. */
export type ToEngine =
  | { readonly id: number; readonly ask: 'listen'; readonly samples: Int16Array }
  | { readonly id: number; readonly ask: 'group'; readonly prints: readonly Voiceprint[] };

export type FromEngine =
  | { readonly id: number; readonly heard: readonly HeardVoice[] }
  | { readonly id: number; readonly groups: readonly number[] }
  /** The question could not be answered; the process goes on. */
  | { readonly id: number; readonly fault: string };
