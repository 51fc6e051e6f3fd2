import { LiveSession, type LiveStats, Microphone, type Problem } from '../../client/browser.ts';
import workletUrl from '../../client/browser/pcm-worklet.ts?worker&url';
import { server } from './api.ts';
import type { CaptionsEvents, TransportChoice } from './captions-events.ts';
import { LANGUAGE_HINT } from './language.ts';
import { pageProblem, toProblem } from './problem.ts';

/** From one press of the button to the next: one microphone, one live session. */
export class CaptionsRun {
  readonly #choice: TransportChoice;
  readonly #events: CaptionsEvents;
  readonly #ended: (problem: Problem | undefined) => void;
  #microphone: Microphone | undefined;
  #session: LiveSession | undefined;
  #stopping = false;
  #isOver = false;

  constructor(choice: TransportChoice, events: CaptionsEvents, ended: (problem: Problem | undefined) => void) {
    this.#choice = choice;
    this.#events = events;
    this.#ended = ended;
  }

  async start(deviceId: string): Promise<void> {
    try {
      this.#events.status({ phase: 'opening-microphone' });
      const microphone = await Microphone.open({
        workletUrl,
        deviceId,
        onLevel: (rms, peak) => this.#events.level(rms, peak),
        onLost: () => void this.#stopBecause(pageProblem('MICROPHONE_LOST')),
      });
      if (this.#isOver) {
        microphone.close();
        return;
      }
      this.#microphone = microphone;
      this.#session = new LiveSession(server, microphone, this.#liveEvents(), { transport: this.#choice, wish: { language_hint: LANGUAGE_HINT } });
      await this.#session.start();
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
      if (track) await this.#session?.useTrack(track);
    } catch (error) {
      this.end(toProblem(error));
    }
  }

  async stats(): Promise<LiveStats> {
    return (await this.#session?.stats()) ?? {};
  }

  /** Idempotent. */
  end(problem?: Problem): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#session?.abandon();
    this.#microphone?.close();
    this.#ended(problem);
  }

  #liveEvents(): ConstructorParameters<typeof LiveSession>[2] {
    return {
      status: (status) => {
        if (status.phase !== 'ended') this.#events.status(status);
      },
      streamStarted: (offsetSeconds) => this.#events.streamStarted(offsetSeconds),
      delta: (delta) => this.#events.delta(delta),
      captionDelay: (delayMs) => this.#events.captionDelay(delayMs),
      fellBack: (wasConnected) => this.#events.fellBack(wasConnected),
      failed: (problem) => this.end(problem),
    };
  }

  async #stopBecause(problem: Problem | undefined): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    try {
      await this.#session?.stop();
      this.end(problem);
    } catch (error) {
      this.end(problem ?? toProblem(error));
    }
  }
}
