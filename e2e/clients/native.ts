import { setTimeout as sleep } from 'node:timers/promises';
import { Earshot } from '../../client/index.ts';
import { within } from '../eventually.ts';
import type { Heard, SpeakOptions } from './gladia.ts';

const CHUNK_BYTES = 3200;
const CHUNK_MS = 100;
const PATIENCE_MS = 180_000;

/** Speaks 16 kHz, 16 bit, mono to a server by our own client library, until the session has ended. What is heard has the times of its words in it. */
export async function speakNatively(url: string, key: string, audio: Uint8Array, options: SpeakOptions): Promise<Heard> {
  const messages: Record<string, unknown>[] = [];
  const finals = new Map<string, string>();
  let repeatedFinals = 0;
  let connections = 0;
  const connected = (): void => {
    connections += 1;
  };
  const stream = new Earshot({ url, key }).stream(
    {
      ready: connected,
      resumed: connected,
      delta: (delta) => {
        messages.push({ ...delta });
        if (!delta.isFinal) return;
        if (finals.has(delta.segmentId)) repeatedFinals += 1;
        finals.set(delta.segmentId, delta.words.map(({ text, startSeconds, endSeconds }) => `${text} ${startSeconds}-${endSeconds} `).join(''));
      },
    },
    { mediaType: 'audio/pcm', sampleRateHz: 16_000 },
  );
  for (let offset = 0; offset < audio.length; offset += CHUNK_BYTES) {
    await stream.send(audio.subarray(offset, offset + CHUNK_BYTES));
    await sleep(CHUNK_MS / options.speed);
    await options.disturb?.(connections);
  }
  const finished = stream.finish();
  // It is awaited only after the last cut.
  finished.catch(() => undefined);
  await options.afterStop?.();
  await within('the session ends', finished, PATIENCE_MS);
  return { id: stream.sessionId ?? '', messages, connections, code: 1000, finals, repeatedFinals };
}
