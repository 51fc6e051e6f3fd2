/** The client for Node and browsers; what only browsers have is in `browser.ts`. */
import { type Job, finished, readJob, submit, type Transcript, transcribe, type TranscribeOptions } from './recordings.ts';
import { LiveStream, type LiveStreamEvents, type LiveStreamOptions } from './live/live-stream.ts';
import { Server, type ServerOptions } from './server.ts';
import { watch, type WatchOptions } from './viewer.ts';
import type { Delta, Ready } from './frames.ts';

export type { Delta, Job, LiveStreamEvents, LiveStreamOptions, Ready, ServerOptions, TranscribeOptions, Transcript, WatchOptions };
export { LiveStream, Server };
export { Problem, type ClientProblemCode } from './problem.ts';
export type { WireWord } from './frames.ts';

/** One Earshot server and what can be asked of it. */
export class Earshot {
  readonly server: Server;

  constructor(options: ServerOptions) {
    this.server = new Server(options);
  }

  /** The text of a recording, however long it takes. */
  transcribe(file: Blob, options?: TranscribeOptions): Promise<Transcript> {
    return transcribe(this.server, file, options);
  }

  /** Hands a recording over as a job; resolves with its id. */
  submit(file: Blob, options?: TranscribeOptions): Promise<string> {
    return submit(this.server, file, options);
  }

  /** A job as it is now. */
  job(id: string, signal?: AbortSignal): Promise<Job> {
    return readJob(this.server, id, signal);
  }

  /** A job once it has ended. */
  finished(id: string, signal?: AbortSignal): Promise<Job> {
    return finished(this.server, id, signal);
  }

  /** Audio as bytes, its text while it comes. */
  stream(events: LiveStreamEvents, options?: LiveStreamOptions): LiveStream {
    return new LiveStream(this.server, events, options);
  }

  /** Reads a live session of somebody else's: its id, or the `socket_url` of a share link. */
  watch(target: string, options?: WatchOptions): AsyncGenerator<Ready | Delta, void, void> {
    return watch(this.server, target, options);
  }
}
