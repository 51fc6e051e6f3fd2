import { setTimeout as sleep } from 'node:timers/promises';
import { GladiaClient } from '@gladiaio/sdk';
import { within } from '../eventually.ts';

export type GladiaInit = Parameters<ReturnType<GladiaClient['liveV2']>['startSession']>[0];

/** 16 kHz, 16 bit, mono. */
export const GLADIA_FORMAT = { encoding: 'wav/pcm', sample_rate: 16_000, bit_depth: 16, channels: 1, endpointing: 0.7, maximum_duration_without_endpointing: 30 } as const;

const CHUNK_BYTES = 3200;
const CHUNK_MS = 100;
const PATIENCE_MS = 180_000;

export interface Heard {
  readonly id: string;
  readonly messages: readonly Record<string, unknown>[];
  readonly connections: number;
  readonly code: number;
  /** Finals by their ids, in order of their first coming. */
  readonly finals: ReadonlyMap<string, string>;
  readonly repeatedFinals: number;
}

export interface SpeakOptions {
  /** Times real time. */
  readonly speed: number;
  /** After each chunk of a tenth of a second; told how many connections there were so far. */
  readonly disturb?: (connections: number) => Promise<void>;
  /** After the last wish. */
  readonly afterStop?: () => Promise<void>;
}

/** Speaks to a server by the vendor's own package, until the session has ended. */
export async function speakByGladia(url: string, apiKey: string, init: GladiaInit, audio: Uint8Array, options: SpeakOptions): Promise<Heard> {
  const session = new GladiaClient({ apiKey, apiUrl: url }).liveV2().startSession(init);
  const messages: Record<string, unknown>[] = [];
  let connections = 0;
  const ended = Promise.withResolvers<number>();
  // It is awaited only after the last word.
  ended.promise.catch(() => undefined);
  session.on('message', (message: unknown) => messages.push(message as Record<string, unknown>));
  session.on('connected', () => (connections += 1));
  session.on('error', ended.reject);
  session.on('ended', ({ code }) => {
    ended.resolve(code);
  });
  const id = await session.getSessionId();
  for (let offset = 0; offset < audio.length; offset += CHUNK_BYTES) {
    session.sendAudio(audio.subarray(offset, offset + CHUNK_BYTES));
    await sleep(CHUNK_MS / options.speed);
    await options.disturb?.(connections);
  }
  session.stopRecording();
  await options.afterStop?.();
  const code = await within('the session ends', ended.promise, PATIENCE_MS);
  const finals = new Map<string, string>();
  let repeatedFinals = 0;
  for (const message of messages) {
    const data = message['data'] as { id: string; is_final: boolean; utterance: { text: string } } | null;
    if (message['type'] !== 'transcript' || data?.is_final !== true) continue;
    if (finals.has(data.id)) repeatedFinals += 1;
    finals.set(data.id, data.utterance.text);
  }
  return { id, messages, connections, code, finals, repeatedFinals };
}

export const textOf = (heard: Heard): string => [...heard.finals.values()].join('').trim();
