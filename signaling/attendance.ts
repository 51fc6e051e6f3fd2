import type { Clock } from '../src/core/clock.ts';

export interface AttendanceOptions {
  readonly clock: Clock;
  /** Packets of audio that came so far. */
  readonly packets: () => number;
  /** The client is known to have gone from one way to another: how long that may take is not decided here. */
  readonly isAwaited: () => boolean;
  /** The client is gone. May be called again while it has no effect. */
  readonly abandoned: () => void;
}

/** Time without a reader and without a packet after which a client is gone, in milliseconds. */
const ABANDONED_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 1000;
const NORMAL = 1000;

/**
 * Whether anybody is still there whose audio comes by WebRTC. A browser that was killed says no goodbye there, and ICE needs most of a minute to miss it; its
 * control socket is closed by the kernel at once. That alone is no reason to end: it may be joined again, and what is said goes on.
 *
 *   read <---- joined again ---- unread ---- 10 s without a packet ----> abandoned
 */
export class Attendance {
  readonly #options: AttendanceOptions;
  #readers = 0;
  #cancel: () => void = () => undefined;

  constructor(options: AttendanceOptions) {
    this.#options = options;
  }

  /** A control socket has joined. The returned function is called with its close code once it is gone; one that closed with 1000 meant to. */
  join(): (closeCode: number | undefined) => void {
    this.#readers += 1;
    this.#cancel();
    return (closeCode) => {
      this.#readers -= 1;
      if (this.#readers === 0 && closeCode !== NORMAL) this.#watch();
    };
  }

  /** Nothing is waited for any more. */
  close(): void {
    this.#cancel();
    this.#readers = Infinity;
  }

  #watch(quietMs = 0): void {
    const { clock, packets, isAwaited, abandoned } = this.#options;
    const before = packets();
    this.#cancel = clock.setTimer(LOOK_EVERY_MS, () => {
      const nowQuietMs = isAwaited() || packets() !== before ? 0 : quietMs + LOOK_EVERY_MS;
      if (nowQuietMs >= ABANDONED_AFTER_MS) abandoned();
      else this.#watch(nowQuietMs);
    });
  }
}
