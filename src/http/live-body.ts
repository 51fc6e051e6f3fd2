import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface LiveBodyOptions {
  /** Sent when nothing else was for `beatMs`, so that nobody between takes the connection for dead. */
  readonly beat: string;
  /** Default 15 s. */
  readonly beatMs?: number;
  /** A reader that takes nothing for so long is dropped. Default 30 s. */
  readonly stallMs?: number;
}

/** Pieces of a body as chunks of HTTP/1.1 (RFC 9112, section 7.1): thousands of readers of one session are sent the same bytes. */
const framed = new WeakMap<Uint8Array, Uint8Array>();
const CRLF = '\r\n';

/**
 * Writes a body that grows for as long as there is something to tell. What waits for a slow reader is at most what the socket holds and one chunk more:
 * nothing further is asked of `chunks` until it has read. Resolves when all is written or the reader is gone; rejects with what `chunks` throws.
 * The response's headers are out already. Its chunks are written past it, framed once for all who get the same; ending it is left to the caller.
 */
export async function writeLive(response: ServerResponse, chunks: AsyncIterable<Uint8Array>, options: LiveBodyOptions): Promise<void> {
  const { beat, beatMs = 15_000, stallMs = 30_000 } = options;
  const { socket } = response;
  if (!socket) return;
  const beatBytes = Buffer.from(beat);
  let wroteSinceBeat = true;
  const beating = setInterval(() => {
    if (!wroteSinceBeat && !socket.writableNeedDrain && !response.destroyed) socket.write(chunkOf(beatBytes));
    wroteSinceBeat = false;
  }, beatMs);
  try {
    for await (const chunk of chunks) {
      if (response.destroyed) return;
      wroteSinceBeat = true;
      if (chunk.length > 0 && !socket.write(chunkOf(chunk))) await drained(response, socket, stallMs);
    }
  } finally {
    clearInterval(beating);
  }
}

function chunkOf(bytes: Uint8Array): Uint8Array {
  const known = framed.get(bytes);
  if (known) return known;
  const made = Buffer.concat([Buffer.from(bytes.length.toString(16) + CRLF), bytes, Buffer.from(CRLF)]);
  framed.set(bytes, made);
  return made;
}

function drained(response: ServerResponse, socket: Socket, stallMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => response.destroy(), stallMs);
    const done = (): void => {
      clearTimeout(stalled);
      socket.off('drain', done);
      response.off('close', done);
      resolve();
    };
    socket.once('drain', done);
    response.once('close', done);
  });
}
