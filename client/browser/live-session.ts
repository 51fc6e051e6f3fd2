import type { Delta, Resumed } from '../frames.ts';
import { CaptureFeed } from '../live/audio-feed.ts';
import type { Capture } from '../live/capture.ts';
import { ResumableStream, type SessionToResume } from '../live/resumable-stream.ts';
import { StreamSink } from '../live/stream-sink.ts';
import { clientProblem, Problem } from '../problem.ts';
import type { Server } from '../server.ts';
import { Peer, type PeerStats } from './peer.ts';
import { endPeerSession, openPeerSession, type PeerSession } from './peer-session.ts';

export type Transport = 'webrtc' | 'websocket';

export type LiveStatus =
  | { readonly phase: 'connecting' | 'live' | 'stopping'; readonly transport: Transport }
  | { readonly phase: 'reconnecting' }
  | { readonly phase: 'ended' };

export interface LiveEvents {
  status?(status: LiveStatus): void;
  /** A session's second zero lies so long after the capture began. Before its first delta; again where a session could not go on and another begins. */
  streamStarted?(offsetSeconds: number): void;
  delta(delta: Delta): void;
  /** How long after it was spoken a word came; smoothed. */
  captionDelay?(delayMs: number): void;
  /** The WebSocket takes the place of WebRTC, which could not connect or, once connected, was lost: then until WebRTC is back. */
  fellBack?(wasConnected: boolean): void;
  /** It ended by itself; not after `stop` or `abandon`. */
  failed(problem: Problem): void;
}

/** A capture with a track for WebRTC. `Microphone` is one. */
export interface TrackCapture extends Capture {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  /** `performance.now()` at which a sample was spoken. */
  spokenAtMs(sample: number): number;
}

export interface LiveOptions {
  /** `auto` (default) goes on by WebSocket where WebRTC fails; `websocket` uses nothing else; `webrtc` uses the WebSocket until a path stands, and from one to the next. */
  readonly transport?: 'auto' | Transport;
  /** Fields of `POST webrtc/sessions` and of `open`: `language_hint`, `model`, ... */
  readonly wish?: Readonly<Record<string, unknown>>;
}

export interface LiveStats extends PeerStats {
  /** Sound that waits here to be sent. */
  readonly queuedMs?: number;
}

/** How long the server may take for the last finals, in milliseconds. */
const FINISH_TIMEOUT_MS = 15_000;
/** Waits before another session is begun in place of one that cannot go on, in milliseconds. */
const RESTART_DELAYS_MS = [0, 1000, 3000] as const;
/** Waits before each try to get back from the WebSocket to WebRTC, in milliseconds; then there is one every so often, for as long as the session lasts. */
const RETURN_DELAYS_MS = [0, 2000, 5000, 15_000] as const;
const RETURN_EVERY_MS = 30_000;
/** A path that was lost sooner than this makes the next wait longer: some networks are better served by the WebSocket. */
const SHORT_LIVED_MS = 60_000;
/** WebRTC carries the sound so long beside the WebSocket before that is left: there must be something in both by which the server finds the seam. */
const OVERLAP_MS = 4000;
/** More the server does not hold. */
const MAX_OVERLAP_SECONDS = 8;
/** The refusals that meet WebRTC and WebSocket alike, so that falling back would not help. */
const REFUSALS: ReadonlySet<string> = new Set([
  'AUTH_TOKEN_MISSING', 'AUTH_TOKEN_INVALID', 'CAPACITY_EXCEEDED', 'BACKEND_UNAVAILABLE', 'SERVER_STOPPING', 'SERVER_UNREACHABLE',
]);

/**
 * Captions of a capture, over one way after the other in the same session. It begins with the WebSocket, from the capture's first sample on: what is said before
 * WebRTC has a path, by UDP or TCP as ICE finds, is not lost. A path that worked and was lost is bridged the same way until there is another, over as many sockets as it
 * takes. No word is lost: what the server has not heard is in the capture's ring.
 *
 *   connecting -> live (websocket) <-> reconnecting
 *                   |   ^ +-> live (webrtc) -^
 *                   |            |
 *                   +------------+-> stopping -> ended
 */
export class LiveSession {
  readonly #server: Server;
  readonly #capture: TrackCapture;
  readonly #events: LiveEvents;
  readonly #options: LiveOptions;
  readonly #abort = new AbortController();
  readonly #sink: { current: StreamSink };
  #peer: Peer | undefined;
  /** The peer that may take the stream's place. */
  #returning: Peer | undefined;
  /** Settles when the stream that is being left has been. */
  #handingBack: Promise<unknown> = Promise.resolve();
  /** When the last path stood, by `performance.now()`, and how many in a row were lost soon. */
  #pathSinceMs: number | undefined;
  #shortLived = 0;
  #stream: ResumableStream | undefined;
  /** What WebRTC can carry; undefined where there is none, and once it has ended. */
  #session: PeerSession | undefined;
  #transport: Transport | undefined;
  /** The capture's sample at which the session's time begins. */
  #startSample = 0;
  /** Everything before this sample of the capture is settled. */
  #settledSample = 0;
  #restarts = 0;
  #stopping = false;
  #started = false;

  constructor(server: Server, capture: TrackCapture, events: LiveEvents, options: LiveOptions = {}) {
    this.#server = server;
    this.#capture = capture;
    this.#events = events;
    this.#options = options;
    this.#sink = { current: this.#newSink() };
  }

  /** Resolves once sound flows, with `webrtc` by that. Rejects with a Problem, or if it is abandoned with an AbortError. */
  async start(): Promise<void> {
    try {
      await this.#begin();
      this.#started = true;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** Sends what was said, resolves when the last final has come. Rejects with a Problem if it cannot. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const transport = this.#transport;
    if (transport) this.#tell({ phase: 'stopping', transport });
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(clientProblem('FINISH_TIMEOUT')), FINISH_TIMEOUT_MS);
    try {
      await Promise.race([this.#finish(), late.promise]);
    } finally {
      clearTimeout(timer);
      this.#end();
    }
  }

  /** Ends it at once; nothing is told afterwards. Idempotent. */
  abandon(): void {
    this.#stopping = true;
    this.#end();
  }

  /** Another microphone was chosen. */
  async useTrack(track: MediaStreamTrack): Promise<void> {
    await this.#returning?.useTrack(track);
    if (this.#transport === 'webrtc') await this.#peer?.useTrack(track);
  }

  async stats(): Promise<LiveStats> {
    if (this.#transport === 'webrtc') return (await this.#peer?.stats()) ?? {};
    const unsentSamples = (this.#stream?.unacknowledgedBytes ?? 0) / Int16Array.BYTES_PER_ELEMENT;
    return { queuedMs: (unsentSamples / this.#capture.sampleRateHz) * 1000 };
  }

  async #finish(): Promise<void> {
    await this.#handingBack;
    if (this.#transport === 'webrtc') await this.#peer?.finish();
    else {
      await this.#capture.drain();
      await this.#stream?.finish();
    }
    this.#session = undefined;
  }

  #end(): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#returning?.leave();
    this.#peer?.leave();
    this.#stream?.abandon();
    if (this.#session) endPeerSession(this.#server, this.#session.id);
    this.#tell({ phase: 'ended' });
  }

  #fail(problem: Problem): void {
    if (this.#abort.signal.aborted || this.#stopping) return;
    this.#end();
    this.#events.failed(problem);
  }

  async #begin(): Promise<void> {
    const session = this.#options.transport === 'websocket' ? undefined : await this.#openSession();
    this.#session = session;
    await this.#openStream(session && { sessionId: session.id, token: session.resumeToken, afterSeq: 0 }, 0);
    const stream = this.#stream;
    if (!session || !stream) return;
    if (this.#options.transport !== 'webrtc') void this.#return(session, stream);
    else if (!(await this.#tryReturn(session, stream).catch(() => false))) {
      this.#abort.signal.throwIfAborted();
      if (!this.#stopping) throw clientProblem('WEBRTC_FAILED');
    }
  }

  /** Undefined where there is no WebRTC, here or there, and the WebSocket will do. */
  async #openSession(): Promise<PeerSession | undefined> {
    this.#tell({ phase: 'connecting', transport: 'webrtc' });
    try {
      return await openPeerSession(this.#server, this.#options.wish ?? {}, this.#abort.signal);
    } catch (error) {
      this.#abort.signal.throwIfAborted();
      if (this.#options.transport === 'webrtc' || (error instanceof Problem && REFUSALS.has(error.code))) throw error;
      this.#events.fellBack?.(false);
      return undefined;
    }
  }

  /** The path is gone. The session is not, unless the server says so. */
  #leavePeer(problem: Problem): void {
    if (problem.code !== 'CONNECTION_LOST') {
      this.#fail(problem);
      return;
    }
    this.#shortLived = performance.now() - (this.#pathSinceMs ?? 0) < SHORT_LIVED_MS ? this.#shortLived + 1 : 0;
    if (this.#options.transport !== 'webrtc') this.#events.fellBack?.(true);
    this.#tell({ phase: 'reconnecting' });
    const session = this.#session;
    const resumable = session && { sessionId: session.id, token: session.resumeToken, afterSeq: this.#peer?.lastSeq ?? 0 };
    this.#peer?.leave();
    this.#openStream(resumable, this.#settledSample).then(
      () => {
        if (session && this.#stream) void this.#return(session, this.#stream);
      },
      () => undefined,
    );
  }

  /** Tries to get from the stream, which bridges the gap, to WebRTC. */
  async #return(session: PeerSession, stream: ResumableStream): Promise<void> {
    for (let tries = Math.max(0, this.#shortLived - 1); ; tries += 1) {
      await pause(RETURN_DELAYS_MS[tries] ?? RETURN_EVERY_MS);
      if (!this.#isBridging(stream)) return;
      if (await this.#tryReturn(session, stream).catch(() => false)) return;
      if (tries === 0 && this.#pathSinceMs === undefined && this.#isBridging(stream)) this.#events.fellBack?.(false);
    }
  }

  #isBridging(stream: ResumableStream): boolean {
    return this.#stream === stream && !this.#stopping && !this.#abort.signal.aborted;
  }

  /** Makes another path, has it carry the sound beside the stream for a while, and leaves that. Answers whether it did; else the stream goes on. */
  async #tryReturn(session: PeerSession, stream: ResumableStream): Promise<boolean> {
    let flowsFromSample = 0;
    const peer = new Peer(this.#server, this.#capture.stream, this.#capture.track, session, {
      delta: (delta) => this.#sink.current.delta(delta),
      connected: () => {
        flowsFromSample = this.#capture.nowSample();
      },
      failed: (problem) => this.#leavePeer(problem),
    });
    this.#returning = peer;
    try {
      await peer.connect(this.#abort.signal);
      await pause(OVERLAP_MS);
      await this.#capture.drain();
      const overlapSeconds = (this.#capture.ring.endSample - flowsFromSample) / this.#capture.sampleRateHz;
      if (!this.#isBridging(stream) || peer.isLost || overlapSeconds > MAX_OVERLAP_SECONDS) return false;
      const left = stream.leave(overlapSeconds);
      this.#handingBack = left.then(() => undefined, () => undefined);
      const lastSeq = await left;
      this.#returning = undefined;
      this.#peer = peer;
      this.#stream = undefined;
      this.#live('webrtc');
      peer.takeOver(lastSeq);
      return true;
    } finally {
      if (this.#returning === peer) {
        this.#returning = undefined;
        peer.leave();
      }
    }
  }

  async #openStream(session: SessionToResume | undefined, fromSample: number): Promise<void> {
    if (!session) this.#tell({ phase: 'connecting', transport: 'websocket' });
    const stream = new ResumableStream(
      this.#server,
      {
        open: { ...this.#options.wish, media_type: 'audio/pcm', sample_rate: this.#capture.sampleRateHz },
        feed: (resumed) => this.#feed(resumed, fromSample),
        ...(session && { session }),
      },
      {
        delta: (delta) => this.#sink.current.delta(delta),
        lost: () => this.#tell({ phase: 'reconnecting' }),
        resumed: () => this.#live('websocket'),
        failed: (problem) => this.#restart(problem),
      },
    );
    this.#stream = stream;
    await stream.opened;
    this.#live('websocket');
  }

  /** From where the server wants it, or from what is not settled. */
  #feed(resumed: Resumed | undefined, fromSample: number): CaptureFeed {
    const replayFrom = resumed?.replayFromSeconds;
    if (replayFrom !== undefined) return new CaptureFeed(this.#capture, this.#startSample + Math.round(replayFrom * this.#capture.sampleRateHz));
    const feed = new CaptureFeed(this.#capture, fromSample);
    this.#startSample = feed.startSample;
    return feed;
  }

  #live(transport: Transport): void {
    this.#transport = transport;
    if (transport === 'webrtc') this.#pathSinceMs = performance.now();
    this.#sink.current.begin(this.#startSample);
    if (!this.#stopping) this.#tell({ phase: 'live', transport });
  }

  /** The session is gone, or never was: another one begins with what is not settled. */
  #restart(problem: Problem): void {
    const delayMs = RESTART_DELAYS_MS[this.#restarts];
    const mayHelp = problem.code === 'CONNECTION_LOST' || problem.code === 'UPLINK_TOO_SLOW';
    // Who starts it hears of it.
    if (!this.#started) return;
    if (!mayHelp || delayMs === undefined || this.#stopping) {
      this.#fail(problem);
      return;
    }
    this.#restarts += 1;
    this.#tell({ phase: 'reconnecting' });
    setTimeout(() => {
      if (this.#abort.signal.aborted) return;
      this.#sink.current = this.#newSink();
      this.#openStream(undefined, this.#settledSample).catch(() => undefined);
    }, delayMs);
  }

  #newSink(): StreamSink {
    return new StreamSink(this.#capture, {
      started: (offsetSeconds) => this.#events.streamStarted?.(offsetSeconds),
      delta: (delta) => this.#events.delta(delta),
      captionDelay: (delayMs) => this.#events.captionDelay?.(delayMs),
      settled: (untilSample) => {
        this.#settledSample = Math.max(this.#settledSample, untilSample);
        this.#restarts = 0;
      },
    });
  }

  #tell(status: LiveStatus): void {
    this.#events.status?.(status);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
