import { type Attribution, LaneAttribution } from '../attribution.ts';
import { type AudioSource, type LaneAudio, msToSamples } from '../audio.ts';
import type { Clock } from '../clock.ts';
import { EarshotError, toEarshotError } from '../errors.ts';
import type { RecognizerCapabilities, RecognizerLease } from '../recognizer.ts';
import type { SpeechDetectorFactory } from '../speech-detector.ts';
import type { ObserveStage } from '../stages.ts';
import type { Writing } from '../text-options.ts';
import type { BackendLetter } from '../store/tenants.ts';
import { type BudgetWarning, type CloseReason, delayed, type LaneTotals, type NumberedEvent, type Reconnect, type TranscriptEvent, type Utterance } from '../transcript.ts';
import type { EndpointingOptions } from './endpointing.ts';
import { EventLog, type HeardSoFar } from './event-log.ts';
import { Lane, type LaneOptions } from './lane.ts';
import type { LanePart } from './lane-part.ts';
import { PiecePlaces, PiecewiseLane } from './piecewise-lane.ts';

export interface SessionLimits {
  /** Longest life of a session. Default 3 h. */
  readonly maxDurationMs: number;
  /** Longest time without any audio arriving while lanes are awaited or silent. Default 60 s. */
  readonly maxIdleMs: number;
  readonly maxLanes: number;
  /** Time that a closing session may take for its last finals. Default 30 s. */
  readonly closeDeadlineMs: number;
}

export const SESSION_LIMITS: SessionLimits = {
  maxDurationMs: 3 * 3600_000,
  maxIdleMs: 60_000,
  maxLanes: 8,
  closeDeadlineMs: 30_000,
};

/** A place at a recognizer, as the dispatcher chose it. */
export interface SessionPlace {
  readonly lease: RecognizerLease;
  /** Which backend answers. */
  readonly backend: BackendLetter;
  readonly model: string;
  /** What the lease gives. */
  readonly capabilities: RecognizerCapabilities;
  /** Has the listener told when another recognizer takes over in the midst of the session, before anything that it says. */
  readonly onChange?: (listener: (to: Pick<SessionPlace, 'backend' | 'model' | 'capabilities'>) => void) => void;
}

export interface SessionDependencies {
  readonly id: string;
  readonly tenantId: string;
  /** The record that the session works for or becomes; absent where nothing is kept. */
  readonly jobId?: string;
  readonly place: SessionPlace;
  readonly clock: Clock;
  readonly createDetector: SpeechDetectorFactory;
  readonly endpointing: EndpointingOptions;
  /** Who speaks. Default: several lanes are several speakers. */
  readonly attribution?: Attribution;
  readonly limits: SessionLimits;
  /** Default: text is as it is heard. */
  readonly writing?: Writing;
  /** Samples of a lane between two `lane.progress`. Default: none are told. */
  readonly progressSamples?: number;
  /** For recordings: lanes are cut into pieces, and so many of them are recognized at a time. Default: lanes are not cut. */
  readonly parallelPieces?: number;
  readonly observe?: ObserveStage;
}

/** Asked before each piece of audio is heard; false ends its lane there, with nothing more heard. */
export type IntakeGate = (samples: number) => boolean | Promise<boolean>;

/**
 * One conversation being transcribed: any number of mono lanes, one log of events.
 *
 *            addLane            close(reason)              lanes heard out
 *   open ------------+   open -----------------> closing ------------------> closed
 *     ^              |     |                        |                           ^
 *     +--------------+     | destroy(error)         | destroy(error), deadline  |
 *                          +------------------------+---------------------------+
 *
 * `close` lets every lane deliver what it has and waits for the finals; `destroy` does not wait. Both are idempotent and later callers join. `fail` is a `close` that
 * ends with an error: a broken lane, a limit of time, a server that stops. `session.closed` is the last event, exactly once; by then the recognizer's place is free again.
 */
export class Session {
  readonly id: string;
  readonly tenantId: string;
  /** Id of the job under which the session can be asked for once it has ended; undefined where nothing is kept. */
  readonly jobId: string | undefined;
  readonly #deps: SessionDependencies;
  #serving: Pick<SessionPlace, 'backend' | 'model' | 'capabilities'>;
  readonly #log: EventLog;
  readonly #attribution: Attribution;
  /** Segments in which the model found each language. */
  readonly #segmentsByLanguage = new Map<string, number>();
  readonly #lanes: (Lane | PiecewiseLane)[] = [];
  readonly #extraPieces: PiecePlaces | undefined;
  readonly #running = new Set<Promise<void>>();
  /** Lanes that go on, and where their time begins in the session's. */
  readonly #placed = new Map<Lane | PiecewiseLane, () => number>();
  readonly #closed = Promise.withResolvers<void>();
  readonly #cancelDurationTimer: () => void;
  #cancelIdleTimer: () => void = () => undefined;
  #cancelDeadline: () => void = () => undefined;
  #lastAudioMs: number;
  /** Pieces of audio that lanes have taken and not yet heard out. */
  #beingHeard = 0;
  /** When the first audio was captured, or came: asked for anew, since sources learn. */
  #sessionOriginMs: (() => number) | undefined;
  #audioBytes: number | null = null;
  #gate: IntakeGate | undefined;
  #endpointing: EndpointingOptions;
  #finalTotals: readonly LaneTotals[] | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #error: EarshotError | undefined;

  constructor(deps: SessionDependencies) {
    this.#deps = deps;
    this.#serving = deps.place;
    this.#log = new EventLog(deps.observe ? { timing: { clock: deps.clock, observe: deps.observe } } : {});
    this.#attribution = deps.attribution ?? new LaneAttribution();
    this.#extraPieces = deps.parallelPieces === undefined ? undefined : new PiecePlaces(deps.parallelPieces - 1);
    this.#endpointing = deps.endpointing;
    this.id = deps.id;
    this.tenantId = deps.tenantId;
    this.jobId = deps.jobId;
    this.#lastAudioMs = deps.clock.nowMs();
    this.#cancelDurationTimer = deps.clock.setTimer(deps.limits.maxDurationMs, () => {
      void this.fail(new EarshotError('SESSION_TOO_LONG', 'The session reached its longest allowed duration.'));
    });
    this.#watchIdle();
    this.#log.append({ type: 'session.ready', sessionId: this.id, backend: this.backend, model: this.model, ...(this.jobId !== undefined && { jobId: this.jobId }) });
    deps.place.onChange?.((to) => {
      this.#log.append({ type: 'backend.changed', from: this.backend, to: to.backend, model: to.model });
      this.#serving = to;
    });
  }

  get state(): 'open' | 'closing' | 'closed' {
    return this.#state;
  }

  /** Letter of the backend that answers now. */
  get backend(): BackendLetter {
    return this.#serving.backend;
  }

  get model(): string {
    return this.#serving.model;
  }

  /** The language of what is heard: the one that the model found in most segments, or the only one that it understands; else nothing is known of it. */
  get language(): string | undefined {
    const { languages } = this.#serving.capabilities;
    if (languages.length === 1) return languages[0];
    return [...this.#segmentsByLanguage].sort(([, one], [, other]) => other - one)[0]?.[0];
  }

  /** Longest life; then it ends with `SESSION_TOO_LONG`. */
  get maxDurationMs(): number {
    return this.#deps.limits.maxDurationMs;
  }

  get lastSeq(): number {
    return this.#log.lastSeq;
  }

  /** Resolves once `session.closed` is in the log. Never rejects. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** `session.closed` is in the log. */
  get ended(): boolean {
    return this.#log.ended;
  }

  /** Per lane, what was heard so far; once the session is closed, what `session.closed` told. */
  totals(): readonly LaneTotals[] {
    return this.#finalTotals ?? this.#lanes.map((lane) => lane.totals());
  }

  /** Position in the session's time up to which every lane that goes on has been heard; undefined while none does. */
  heardThrough(): number | undefined {
    const ends = [...this.#placed].map(([lane, offsetSamples]) => offsetSamples() + lane.totals().heardSamples);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Bytes of audio as they were sent, encoded; null where nobody counted them (WebRTC). */
  get audioBytes(): number | null {
    return this.#audioBytes;
  }

  countBytes(bytes: number): void {
    this.#audioBytes = (this.#audioBytes ?? 0) + bytes;
  }

  /** Of lanes that are added from now on. */
  gateIntake(gate: IntakeGate): void {
    this.#gate = gate;
  }

  /** Tells the client of what its session knows nothing of: a budget that will soon be used up, a way of the audio that is gone. */
  tell(event: BudgetWarning | Reconnect): void {
    if (this.#state !== 'closed') this.#log.append(event);
  }

  /** Starts reading `source`. Throws `SESSION_CONFLICT` once the session is closing, `VALIDATION_ERROR` above `maxLanes`. */
  addLane(source: AudioSource, label: string, part: LanePart = {}): void {
    const index = this.#lanes.length;
    try {
      if (this.#state !== 'open') throw new EarshotError('SESSION_CONFLICT', 'The session is closing.');
      if (index >= this.#deps.limits.maxLanes) {
        throw new EarshotError('VALIDATION_ERROR', `A session has at most ${String(this.#deps.limits.maxLanes)} lanes.`);
      }
      this.#startLane(index, source, label, part);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** Ends every open utterance at the audio heard so far and answers with `session.flushed` after their finals. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#lanes.map((lane) => lane.flush()));
    this.#log.append({ type: 'session.flushed' });
  }

  /** How utterances end from the end of the audio that the lanes hold by now; how segments do stays the recognizer's wish. Recordings keep theirs. */
  setEndpointing(options: EndpointingOptions): void {
    const { segmentPauseMs } = this.#endpointing;
    this.#endpointing = { ...options, ...(segmentPauseMs !== undefined && { segmentPauseMs }) };
    for (const lane of this.#lanes) if (lane instanceof Lane) void lane.setEndpointing(this.#endpointing);
  }

  /** The client lives though it sends no audio: the idle limit counts from now. */
  keepAlive(): void {
    this.#lastAudioMs = this.#deps.clock.nowMs();
  }

  /** See {@link EventLog.soFar}. */
  readonly soFar = (): HeardSoFar => this.#log.soFar();

  /** See {@link EventLog.keepFinals}. */
  readonly keepFinals: EventLog['keepFinals'] = (keep) => { this.#log.keepFinals(keep); };

  /** Events with `seq > afterSeq`, live until the session is closed. Throws `RESUME_GAP` where they are gone. */
  events(afterSeq = 0, signal?: AbortSignal): AsyncGenerator<NumberedEvent, void, void> {
    return this.#log.read(afterSeq, signal);
  }

  /** Resolves when every lane added so far has ended and its finals are out. Never rejects: a failure closes the session. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Finals of this session with their speakers told again by all that was heard. For recordings, once all are out; at most once. */
  conclude(utterances: readonly Utterance[]): Promise<readonly Utterance[]> {
    return this.#attribution.conclude(utterances);
  }

  close(reason: CloseReason): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#cancelDurationTimer();
      this.#cancelIdleTimer();
      this.#cancelDeadline = this.#deps.clock.setTimer(this.#deps.limits.closeDeadlineMs, () => {
        void this.destroy(new EarshotError('BACKEND_TIMEOUT', 'The last results did not arrive in time.'));
      });
      for (const lane of this.#lanes) lane.end();
      void this.settled().then(() => this.#finish(reason));
    }
    return this.closed;
  }

  /** A lane broke, a limit was reached, the server stops: as `close`, and then the session ends with the error. */
  fail(error: EarshotError): Promise<void> {
    this.#error ??= error;
    return this.close('failed');
  }

  destroy(error: EarshotError): Promise<void> {
    this.#error ??= error;
    if (this.#state !== 'closed') {
      for (const lane of this.#lanes) lane.end();
      void this.#finish('failed');
    }
    return this.closed;
  }

  #startLane(index: number, source: AudioSource, label: string, part: LanePart): void {
    this.#attribution.laneOpened(index, part.speaker);
    let laneOriginMs: (() => number) | undefined;
    const offsetSamples = (): number => (part.joins === true && laneOriginMs && this.#sessionOriginMs ? msToSamples(laneOriginMs() - this.#sessionOriginMs()) : 0);
    const onFirstAudio = (cameMs: number): void => {
      laneOriginMs = () => source.originMs ?? cameMs;
      this.#sessionOriginMs ??= laneOriginMs;
    };
    const options: LaneOptions = {
      index, attribution: this.#attribution,
      source: this.#observed(source, onFirstAudio),
      lease: this.#deps.place.lease,
      detector: this.#deps.createDetector(),
      endpointing: this.#endpointing,
      maxSegmentSamples: this.#deps.place.capabilities.maxSegmentSamples,
      clock: this.#deps.clock,
      ...(this.#deps.progressSamples !== undefined && { progressSamples: this.#deps.progressSamples }),
      ...(this.#deps.observe && { observe: this.#deps.observe }),
      onLanguage: (code: string) => {
        this.#segmentsByLanguage.set(code, (this.#segmentsByLanguage.get(code) ?? 0) + 1);
      },
      emit: (event) => {
        this.#log.append(this.#written(delayed(event, offsetSamples())));
      },
    };
    // Who listens to voices needs them in the order in which they spoke.
    const lane = this.#extraPieces && !this.#deps.attribution ? new PiecewiseLane({ ...options, extraPieces: this.#extraPieces }) : new Lane(options);
    this.#lanes.push(lane);
    this.#placed.set(lane, offsetSamples);
    this.#log.append({ type: 'lane.opened', laneIndex: index, label });
    const running = lane
      .run()
      .catch((error: unknown) => {
        void this.fail(toEarshotError(error));
      })
      .finally(() => this.#placed.delete(lane) && this.#running.delete(running));
    this.#running.add(running);
  }

  #written(event: TranscriptEvent): TranscriptEvent {
    const { writing } = this.#deps;
    if (!writing || (event.type !== 'utterance.interim' && event.type !== 'utterance.final')) return event;
    return { ...event, utterance: writing(event.utterance, event.type === 'utterance.final') };
  }

  /** Notes when audio arrives (gaps are not audio), and lets through what the gate allows. */
  #observed(source: AudioSource, onFirstAudio: (cameMs: number) => void): AudioSource {
    const gate = this.#gate;
    let isFirst = true;
    const take = (item: LaneAudio): (() => void) => {
      if (isFirst) {
        onFirstAudio(this.#deps.clock.nowMs());
        isFirst = false;
      }
      if (item.kind !== 'pcm') return () => undefined;
      this.#beingHeard += 1;
      return () => {
        this.#beingHeard -= 1;
        this.#lastAudioMs = this.#deps.clock.nowMs();
      };
    };
    return {
      get queuedEndSample() {
        return source.queuedEndSample ?? 0;
      },
      close: () => {
        source.close();
      },
      async *[Symbol.asyncIterator]() {
        for await (const item of source) {
          const heard = take(item);
          try {
            if (gate && !(await gate(item.kind === 'pcm' ? item.samples.length : item.lengthSamples))) return;
            yield item;
          } finally {
            heard();
          }
        }
      },
    };
  }

  #watchIdle(): void {
    const { clock, limits } = this.#deps;
    const leftMs = this.#lastAudioMs + limits.maxIdleMs - clock.nowMs();
    // A client that waits for a busy recognizer is not idle.
    if (leftMs <= 0 && this.#beingHeard === 0) {
      void this.fail(new EarshotError('SESSION_IDLE', 'No audio arrived for too long.'));
      return;
    }
    this.#cancelIdleTimer = clock.setTimer(leftMs > 0 ? leftMs : limits.maxIdleMs, () => {
      if (this.#state === 'open') this.#watchIdle();
    });
  }

  async #finish(reason: CloseReason): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cancelDurationTimer();
    this.#cancelIdleTimer();
    this.#cancelDeadline();
    await this.#deps.place.lease.release().catch((error: unknown) => {
      this.#error ??= toEarshotError(error);
    });
    const error = this.#error;
    const lanes = (this.#finalTotals = this.totals());
    this.#log.append({ type: 'session.closed', reason: error ? 'failed' : reason, ...(error && { error: { code: error.code, message: error.message } }), lanes });
    this.#closed.resolve();
  }
}
