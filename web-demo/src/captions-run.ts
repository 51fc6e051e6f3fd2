import type { CaptionsEvents, TransportChoice } from './captions-events.ts';
import { Microphone } from './microphone.ts';
import { Problem, pageProblem, toProblem } from './problem.ts';
import { StreamSink } from './stream-sink.ts';
import type { Transport, TransportStats } from './transports/transport.ts';
import { openWebRtc } from './transports/webrtc.ts';
import { openWebSocket } from './transports/websocket.ts';

/** Waits before a lost stream is opened anew, in milliseconds; then captions end. */
const RECONNECT_DELAYS_MS = [0, 1000, 3000] as const;

/** The refusals that meet WebRTC and WebSocket alike, so that falling back would not help. */
const REFUSALS: ReadonlySet<string> = new Set([
  'AUTH_TOKEN_MISSING', 'AUTH_TOKEN_INVALID', 'CAPACITY_EXCEEDED', 'BACKEND_UNAVAILABLE', 'SERVER_STOPPING', 'SERVER_UNREACHABLE',
]);

/**
 * From one press of the button to the next: one capture, over one transport after another if need be. Whatever was spoken and not
 * yet settled when a transport fails is in the microphone's ring and goes out again over the next, so no word is lost.
 *
 *   idle -> opening-microphone -> connecting -> live -> stopping -> idle
 *                                     ^          |
 *                                     +- reconnecting
 */
export class CaptionsRun {
  readonly #choice: TransportChoice;
  readonly #events: CaptionsEvents;
  readonly #ended: (problem: Problem | undefined) => void;
  readonly #abort = new AbortController();
  #microphone: Microphone | undefined;
  #transport: Transport | undefined;
  /** Everything before this sample of the capture is settled. */
  #settledSample = 0;
  #reconnections = 0;
  #stopping = false;

  constructor(choice: TransportChoice, events: CaptionsEvents, ended: (problem: Problem | undefined) => void) {
    this.#choice = choice;
    this.#events = events;
    this.#ended = ended;
  }

  async start(deviceId: string): Promise<void> {
    try {
      this.#events.status({ phase: 'opening-microphone' });
      const microphone = await Microphone.open(deviceId, {
        level: (rms, peak) => this.#events.level(rms, peak),
        lost: () => void this.#stopBecause(pageProblem('MICROPHONE_LOST')),
      });
      if (this.#abort.signal.aborted) {
        microphone.close();
        return;
      }
      this.#microphone = microphone;
      if (this.#choice === 'websocket') await this.#connectWebSocket(microphone);
      else await this.#connectWebRtc(microphone);
    } catch (error) {
      this.end(toProblem(error));
    }
  }

  stop(): Promise<void> {
    return this.#stopBecause(undefined);
  }

  async useMicrophone(deviceId: string): Promise<void> {
    try {
      const track = await this.#microphone?.change(deviceId);
      if (track) await this.#transport?.useTrack(track);
    } catch (error) {
      this.end(toProblem(error));
    }
  }

  async stats(): Promise<TransportStats> {
    return (await this.#transport?.stats()) ?? {};
  }

  /** Idempotent. */
  end(problem?: Problem): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#transport?.abandon();
    this.#microphone?.close();
    this.#ended(problem);
  }

  async #stopBecause(problem: Problem | undefined): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const transport = this.#transport;
    if (!transport) {
      this.end(problem);
      return;
    }
    this.#events.status({ phase: 'stopping', transport: transport.kind });
    try {
      await transport.finish();
      this.end(problem);
    } catch (error) {
      this.end(problem ?? toProblem(error));
    }
  }

  async #connectWebRtc(microphone: Microphone): Promise<void> {
    this.#events.status({ phase: 'connecting', transport: 'webrtc' });
    const stream = this.#sinkFor(microphone);
    try {
      this.#go(await openWebRtc(microphone, stream, this.#abort.signal), stream);
    } catch (error) {
      this.#abort.signal.throwIfAborted();
      if (this.#choice === 'webrtc' || (error instanceof Problem && REFUSALS.has(error.code))) throw error;
      this.#events.fellBack(false);
      await this.#connectWebSocket(microphone);
    }
  }

  async #connectWebSocket(microphone: Microphone): Promise<void> {
    this.#events.status({ phase: 'connecting', transport: 'websocket' });
    const stream = this.#sinkFor(microphone);
    this.#go(await openWebSocket(microphone, this.#settledSample, stream, this.#abort.signal), stream);
  }

  #go(transport: Transport, stream: StreamSink): void {
    this.#transport = transport;
    stream.begin(transport.startSample);
    this.#events.status({ phase: 'live', transport: transport.kind });
  }

  #sinkFor(microphone: Microphone): StreamSink {
    return new StreamSink(microphone, {
      started: (offsetSeconds) => this.#events.streamStarted(offsetSeconds),
      delta: (delta) => this.#events.delta(delta),
      captionDelay: (delayMs) => this.#events.captionDelay(delayMs),
      settled: (untilSample) => this.#settled(untilSample),
      failed: (problem) => this.#lost(problem),
    });
  }

  #settled(untilSample: number): void {
    this.#settledSample = Math.max(this.#settledSample, untilSample);
    this.#reconnections = 0;
  }

  #lost(problem: Problem): void {
    const microphone = this.#microphone;
    const lostTransport = this.#transport?.kind;
    this.#transport = undefined;
    const mayReconnect = problem.code === 'CONNECTION_LOST' || problem.code === 'UPLINK_TOO_SLOW';
    if (!microphone || this.#stopping || !mayReconnect || this.#choice === 'webrtc') {
      if (!this.#stopping) this.end(problem);
      return;
    }
    if (lostTransport === 'webrtc') this.#events.fellBack(true);
    this.#reconnect(microphone, problem).catch((error: unknown) => this.end(toProblem(error)));
  }

  async #reconnect(microphone: Microphone, problem: Problem): Promise<void> {
    let last: unknown = problem;
    for (;;) {
      const delayMs = RECONNECT_DELAYS_MS[this.#reconnections];
      if (delayMs === undefined) throw last;
      this.#reconnections += 1;
      this.#events.status({ phase: 'reconnecting' });
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (this.#abort.signal.aborted) return;
      try {
        await this.#connectWebSocket(microphone);
        return;
      } catch (error) {
        this.#abort.signal.throwIfAborted();
        last = error;
      }
    }
  }
}
