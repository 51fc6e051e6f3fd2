import { FrameSocket } from '../../client/frame-socket.ts';
import { server } from './api.ts';
import { PROBE_BYTES, durationSeconds } from './audio-duration.ts';
import { Problem } from '../../client/browser.ts';
import { pageProblem } from './problem.ts';
import { LANGUAGE_HINT } from './language.ts';
import type { Delta } from '../../client/browser.ts';

/** The server reads as fast as it recognizes; what waits in the browser stays below this. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
const MESSAGE_BYTES = 64 * 1024;
const DRAIN_POLL_MS = 25;
/** Sending is this part of the progress, recognizing the rest. */
const SENDING_SHARE = 0.1;

const MEDIA_TYPE_BY_ENDING: Readonly<Record<string, string>> = {
  wav: 'audio/wav', wave: 'audio/wav',
  mp3: 'audio/mpeg',
  flac: 'audio/flac',
  ogg: 'audio/ogg', oga: 'audio/ogg', opus: 'audio/ogg',
  m4a: 'audio/mp4', mp4: 'audio/mp4',
  webm: 'audio/webm', weba: 'audio/webm',
};

/** For the file chooser. */
export const FILE_ENDINGS = Object.keys(MEDIA_TYPE_BY_ENDING).map((ending) => `.${ending}`).join(',');

export interface FileProgress {
  /** 0 to 1; absent while it cannot be known. */
  readonly fraction?: number;
  readonly recognizedSeconds: number;
  readonly totalSeconds?: number;
}

export interface FileEvents {
  delta(delta: Delta): void;
  progress(progress: FileProgress): void;
}

/** Sends a file over `stream/transcribe`; resolves after the last final. Rejects with a Problem, or with the signal's reason. */
export async function transcribeFile(file: File, events: FileEvents, signal: AbortSignal): Promise<void> {
  const mediaType = MEDIA_TYPE_BY_ENDING[file.name.split('.').at(-1)?.toLowerCase() ?? ''];
  if (mediaType === undefined) throw pageProblem('FILE_UNSUPPORTED');
  const meter = new ProgressMeter(file.size, await probeDuration(file), events);
  const ready = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const fail = (reason: unknown): void => {
    ready.reject(reason);
    done.reject(reason);
  };
  done.promise.catch(() => undefined);
  const socket = new FrameSocket(server.WebSocket, server.socketUrl('stream/transcribe'), {
    open: () => socket.send({ type: 'open', language_hint: LANGUAGE_HINT, media_type: mediaType }),
    frame(frame) {
      switch (frame.type) {
        case 'ready':
          ready.resolve();
          return;
        case 'delta':
          events.delta(frame);
          meter.recognized(frame.endSeconds);
          return;
        case 'closed':
          done.resolve();
          return;
        case 'error':
          fail(new Problem(frame.code, frame.message, frame.retryAfterSeconds));
          return;
        case 'ack':
        case 'resumed':
        case 'left':
        case 'reconnect':
          return;
      }
    },
    closed({ opened }) {
      if (opened) fail(pageProblem('CONNECTION_LOST'));
      else void server.explainRefusedSocket().then(fail);
    },
  });
  const abort = (): void => fail(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    await ready.promise;
    await Promise.race([send(file, socket, meter, signal), done.promise]);
    socket.send({ type: 'close' });
    await done.promise;
  } finally {
    signal.removeEventListener('abort', abort);
    socket.close();
  }
}

async function send(file: File, socket: FrameSocket, meter: ProgressMeter, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < file.size; at += MESSAGE_BYTES) {
    signal.throwIfAborted();
    const message = await readBytes(file.slice(at, at + MESSAGE_BYTES));
    while (socket.bufferedBytes + message.length > MAX_BUFFERED_BYTES) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    socket.sendAudio(message);
    meter.sent(at + message.length - socket.bufferedBytes);
  }
}

async function probeDuration(file: File): Promise<number | undefined> {
  const head = await readBytes(file.slice(0, PROBE_BYTES));
  const tail = await readBytes(file.slice(Math.max(0, file.size - PROBE_BYTES)));
  return durationSeconds(head, tail, file.size);
}

/** The file may have been moved or changed since it was chosen. */
async function readBytes(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    throw pageProblem('FILE_UNREADABLE');
  }
}

class ProgressMeter {
  readonly #sizeBytes: number;
  readonly #totalSeconds: number | undefined;
  readonly #events: FileEvents;
  #sentShare = 0;
  #recognizedSeconds = 0;

  constructor(sizeBytes: number, totalSeconds: number | undefined, events: FileEvents) {
    this.#sizeBytes = sizeBytes;
    this.#totalSeconds = totalSeconds;
    this.#events = events;
  }

  sent(bytes: number): void {
    this.#sentShare = Math.max(this.#sentShare, Math.min(1, bytes / this.#sizeBytes));
    this.#tell();
  }

  recognized(seconds: number): void {
    this.#recognizedSeconds = Math.min(Math.max(this.#recognizedSeconds, seconds), this.#totalSeconds ?? Number.POSITIVE_INFINITY);
    this.#tell();
  }

  #tell(): void {
    const total = this.#totalSeconds;
    const recognizedShare = total === undefined ? undefined : Math.min(1, this.#recognizedSeconds / total);
    const fraction = recognizedShare === undefined
      ? this.#sentShare < 1 ? this.#sentShare : undefined
      : SENDING_SHARE * this.#sentShare + (1 - SENDING_SHARE) * recognizedShare;
    this.#events.progress({
      recognizedSeconds: this.#recognizedSeconds,
      ...(fraction !== undefined && { fraction }),
      ...(total !== undefined && { totalSeconds: total }),
    });
  }
}
