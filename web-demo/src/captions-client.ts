import type { CaptionsEvents, TransportChoice } from './captions-events.ts';
import { CaptionsRun } from './captions-run.ts';
import type { LiveStats } from '../../client/browser.ts';

/** Live captions of a microphone, started and stopped as often as one likes. */
export class CaptionsClient {
  readonly #choice: TransportChoice;
  readonly #events: CaptionsEvents;
  #run: CaptionsRun | undefined;

  constructor(choice: TransportChoice, events: CaptionsEvents) {
    this.#choice = choice;
    this.#events = events;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** An empty `deviceId` is the system's microphone. What goes wrong comes as `problem`. */
  async start(deviceId: string): Promise<void> {
    if (this.#run) return;
    const run = new CaptionsRun(this.#choice, this.#events, (problem) => {
      if (this.#run !== run) return;
      this.#run = undefined;
      this.#events.status({ phase: 'idle' });
      if (problem) this.#events.problem(problem);
    });
    this.#run = run;
    await run.start(deviceId);
  }

  /** Resolves when the last final has come. */
  async stop(): Promise<void> {
    await this.#run?.stop();
  }

  /** Goes on with another microphone; before the start it does nothing. */
  async useMicrophone(deviceId: string): Promise<void> {
    await this.#run?.useMicrophone(deviceId);
  }

  async stats(): Promise<LiveStats> {
    return (await this.#run?.stats()) ?? {};
  }

  /** The page is being left. */
  abandon(): void {
    this.#run?.end();
  }
}
