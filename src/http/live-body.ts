import type { ServerResponse } from 'node:http';

export interface LiveBodyOptions {
  /** Sent when nothing else was for `beatMs`, so that nobody between takes the connection for dead. */
  readonly beat: string;
  /** Default 15 s. */
  readonly beatMs?: number;
  /** A reader that takes nothing for so long is dropped. Default 30 s. */
  readonly stallMs?: number;
}

/**
 * Writes a body that grows for as long as there is something to tell. What waits for a slow reader is at most what the socket holds and one chunk more:
 * nothing further is asked of `chunks` until it has read. Resolves when all is written or the reader is gone; rejects with what `chunks` throws.
 */
export async function writeLive(response: ServerResponse, chunks: AsyncIterable<Uint8Array>, options: LiveBodyOptions): Promise<void> {
  const { beat, beatMs = 15_000, stallMs = 30_000 } = options;
  let wroteSinceBeat = true;
  const beating = setInterval(() => {
    if (!wroteSinceBeat && !response.writableNeedDrain) response.write(beat);
    wroteSinceBeat = false;
  }, beatMs);
  try {
    for await (const chunk of chunks) {
      if (response.destroyed) return;
      wroteSinceBeat = true;
      if (chunk.length > 0 && !response.write(chunk)) await drained(response, stallMs);
    }
  } finally {
    clearInterval(beating);
  }
}

function drained(response: ServerResponse, stallMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => response.destroy(), stallMs);
    const done = (): void => {
      clearTimeout(stalled);
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.once('drain', done).once('close', done);
  });
}
