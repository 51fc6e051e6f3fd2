import { randomBytes, randomUUID } from 'node:crypto';
import type { Connection } from '../../../signaling/connection.ts';
import { GladiaConversation } from '../../../signaling/dialects/gladia.ts';
import { callbackOf, flagsOf, formatOf, frameBytesOf, requestOf, type GladiaInit } from '../../../signaling/dialects/gladia-init.ts';
import { ResumableStream } from '../../../signaling/resumable-stream.ts';
import type { OpenSession } from '../../core/admission.ts';
import type { AudioDecoder } from '../../core/audio.ts';
import { systemClock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { ObserveStage } from '../../core/stages.ts';
import type { TextAnalyst } from '../../core/text-analysis.ts';
import type { BlobStore } from '../../core/store/blobs.ts';
import type { JobStore } from '../../core/store/jobs.ts';
import type { LiveStore } from '../../core/store/live.ts';
import type { CallbackAttemptOptions } from '../../jobs/callback-attempt.ts';
import { CallbackQueue } from '../../jobs/callback-queue.ts';
import { keepFromStart } from '../../jobs/live-journal.ts';
import type { Log } from '../services.ts';
import { LiveAddOns } from './live-add-ons.ts';
import { finishedJob, startedJob } from './live-record.ts';
import { AudioRecorder, type Recording } from './recording.ts';

export interface LiveSessionsOptions {
  readonly openSession: OpenSession;
  readonly decode: AudioDecoder;
  readonly analyst: TextAnalyst;
  /** How a session's callbacks are sent. */
  readonly callbacks: CallbackAttemptOptions;
  readonly jobs: JobStore;
  /** Keeps what is said while it is said, and what callbacks are owed. */
  readonly live: LiveStore;
  readonly blobs: BlobStore;
  /** Sessions can be read after their end. */
  readonly keepTranscripts: boolean;
  /** Their audio too. */
  readonly keepAudio: boolean;
  readonly log: Log;
  readonly observe: ObserveStage;
}

/** A live session of a Gladia client, from `POST /v2/live` until its client has had the last word. */
export interface LiveSession {
  readonly id: string;
  /** What the socket's address shows. */
  readonly token: string;
  readonly caller: Principal;
  readonly init: GladiaInit;
  readonly createdAtMs: number;
  readonly stream: ResumableStream;
  readonly conversation: GladiaConversation;
  /** There if the session has a callback. */
  readonly callbacks: CallbackQueue | undefined;
  customMetadata: Readonly<Record<string, unknown>>;
}

/** Close code of a socket that comes after the end. */
const FINISHED = 4403;
/** Tokens of sessions that have ended, so that their clients are told so. */
const MAX_ENDED = 1000;
/** Callbacks that are taken over from the server before; of more, the newest wait for another start. */
const MAX_RECOVERED = 10_000;
/** Time for the last callbacks when the server stops. */
const CALLBACK_GRACE_MS = 5000;

/** Sessions that were begun with `POST /v2/live` and whose sockets come and go. They are in the store from their start. */
export class LiveSessions {
  /** Where the sessions that have ended are. */
  readonly jobs: JobStore;
  readonly #options: LiveSessionsOptions;
  readonly #byToken = new Map<string, LiveSession>();
  readonly #ended = new Map<string, Principal>();
  /** Those that still have, or may have, something to send. */
  readonly #callbacks = new Set<CallbackQueue>();

  constructor(options: LiveSessionsOptions) {
    this.#options = options;
    this.jobs = options.jobs;
  }

  /** Takes a place for the session at once; throws what refuses it. */
  async begin(caller: Principal, init: GladiaInit): Promise<LiveSession> {
    const id = randomUUID();
    const session = await this.#options.openSession(caller, { ...requestOf(init), transport: 'websocket', priority: 'live', recordsItself: true });
    const { keepTranscripts, keepAudio, analyst } = this.#options;
    const language = (): string | undefined => session.language;
    const callbacks = this.#callbacksOf(caller, id, init);
    const onCallback = (type: string, message: string): void => callbacks?.send(`{"id":"${id}","event":"live.${type}","payload":${message}}`);
    const conversation = new GladiaConversation({ sessionId: id, init, language, now: Date.now, onCallback });
    const recorder = keepTranscripts && keepAudio ? new AudioRecorder(this.#options.blobs) : undefined;
    const createdAtMs = Date.now();
    const stream = new ResumableStream({
      conversation,
      session,
      format: formatOf(init),
      frameBytes: frameBytesOf(init),
      acknowledging: flagsOf(init).receive_acknowledgments,
      decode: this.#options.decode,
      clock: systemClock,
      observe: this.#options.observe,
      companion: new LiveAddOns({
        analyst,
        tenantId: caller.tenantId,
        init,
        conversation,
        language,
        say: (messages) => {
          stream.say(messages);
        },
      }),
      onAudio: (bytes) => {
        conversation.received(bytes.length);
        recorder?.take(bytes);
      },
      beforeEnd: async (fault) => {
        if (keepTranscripts) await this.#keep(live, await recorder?.end(), fault);
      },
      onFault: (error) => {
        if (error.rule.httpStatus >= 500) this.#options.log.warn({ code: error.code, err: error.cause }, 'live session failed');
      },
    });
    const live: LiveSession = { id, token: randomBytes(32).toString('base64url'), caller, init, createdAtMs, stream, conversation, callbacks, customMetadata: init.custom_metadata ?? {} };
    if (keepTranscripts) keepFromStart(session, startedJob(live), { live: this.#options.live, log: this.#options.log });
    this.#byToken.set(live.token, live);
    void stream.over.then(() => {
      this.#forget(live);
    });
    if (callbacks) this.#watch(callbacks, stream.ended);
    return live;
  }

  /** For the start, before anybody is served: what sessions of the server before owed is sent. Never rejects. */
  async recover(): Promise<void> {
    const { live, callbacks, log } = this.#options;
    try {
      const bySession = Map.groupBy(await live.owed(MAX_RECOVERED), ({ sessionId }) => sessionId);
      for (const owed of bySession.values()) this.#watch(new CallbackQueue({ ...callbacks, ...owed[0]!, owed, store: live, log }), Promise.resolve());
    } catch (err) {
      log.error({ err }, 'callbacks that the server before owed could not be read');
    }
  }

  /** Whose session the token opens. Throws `AUTH_TOKEN_MISSING` or `AUTH_TOKEN_INVALID`. */
  callerOf(token: string | null): Principal {
    if (token === null) throw new EarshotError('AUTH_TOKEN_MISSING', 'The address has no token: use the one that POST /v2/live answered.');
    const caller = this.#byToken.get(token)?.caller ?? this.#ended.get(token);
    if (!caller) throw new EarshotError('AUTH_TOKEN_INVALID', 'No session has this token.');
    return caller;
  }

  /** Serves the client's next connection. */
  async attach(token: string, connection: Connection): Promise<void> {
    const live = this.#byToken.get(token);
    if (live) await live.stream.attach(connection);
    else connection.close(FINISHED, 'the session has ended');
  }

  /** Those of the tenant that are not over yet, newest first. */
  of(tenantId: string): readonly LiveSession[] {
    return [...this.#byToken.values()].filter(({ caller }) => caller.tenantId === tenantId).reverse();
  }

  find(tenantId: string, id: string): LiveSession | undefined {
    return this.of(tenantId).find((live) => live.id === id);
  }

  async annotate(live: LiveSession, customMetadata: LiveSession['customMetadata']): Promise<void> {
    live.customMetadata = customMetadata;
    await this.#options.live.annotate(live.id, startedJob(live).request.extra ?? {});
  }

  /** Resolves once every session that has ended, or is ending, is written down, and its callbacks had a last chance. */
  async settled(): Promise<void> {
    await Promise.all([...this.#byToken.values()].map(({ stream }) => stream.ended));
    const graceOver = Promise.withResolvers<void>();
    const cancel = systemClock.setTimer(CALLBACK_GRACE_MS, graceOver.resolve);
    await Promise.race([Promise.all([...this.#callbacks].map((callbacks) => callbacks.settled())), graceOver.promise]);
    cancel();
    for (const callbacks of this.#callbacks) callbacks.close();
  }

  /** The server stops: clients that are away are not waited for. */
  close(): void {
    for (const { stream } of this.#byToken.values()) stream.close();
  }

  #callbacksOf({ tenantId }: Principal, sessionId: string, init: GladiaInit): CallbackQueue | undefined {
    const callback = callbackOf(init);
    const { callbacks, live, log } = this.#options;
    return callback && new CallbackQueue({ ...callbacks, tenantId, sessionId, url: callback.url, store: live, log });
  }

  /** `ended`: nothing more is put into the queue. */
  #watch(callbacks: CallbackQueue, ended: Promise<void>): void {
    this.#callbacks.add(callbacks);
    void ended.then(() => callbacks.settled()).then(() => this.#callbacks.delete(callbacks));
  }

  #forget({ token, caller }: LiveSession): void {
    this.#byToken.delete(token);
    this.#ended.set(token, caller);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** Writes the session down as a job. Never rejects: who is connected still gets the words. */
  async #keep(live: LiveSession, recording: Recording | undefined, fault: EarshotError | undefined): Promise<void> {
    try {
      const job = finishedJob(live, recording, fault);
      const { utterances } = live.conversation;
      const { session } = live.stream;
      const numbers = { backend: session.backend, languageDetected: job.languageDetected, audioMs: job.audioMs ?? 0, audioBytes: job.audioBytes };
      const transcript = {
        utterances: utterances.toSorted((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex),
        backend: session.backend,
        model: session.model,
        ...(session.language !== undefined && { language: session.language }),
        durationMs: numbers.audioMs,
      };
      await this.jobs.add(job, job.status === 'completed' ? { outcome: { transcript, ...numbers } } : {});
    } catch (err) {
      this.#options.log.error({ sessionId: live.stream.session.id, err }, 'a live session could not be kept');
    }
  }
}
