/** Weight of the newest measurement in the running mean. */
const SMOOTHING = 0.25;

/**
 * How long after it was spoken a word stands on the page: the time of arrival minus the moment at which the stream
 * had reached the delta's end. Only deltas that reach further than any before count: a correction of earlier words,
 * or a final that waited for the pause after it, says nothing about the delay of the first sight.
 */
export class CaptionDelay {
  #furthestSeconds = 0;
  #meanMs: number | undefined;

  /** The smoothed delay in milliseconds after this delta; `undefined` until there is one. */
  note(nowMs: number, streamStartMs: number, deltaEndSeconds: number): number | undefined {
    if (deltaEndSeconds > this.#furthestSeconds) {
      this.#furthestSeconds = deltaEndSeconds;
      const delayMs = Math.max(0, nowMs - (streamStartMs + deltaEndSeconds * 1000));
      this.#meanMs = this.#meanMs === undefined ? delayMs : this.#meanMs + SMOOTHING * (delayMs - this.#meanMs);
    }
    return this.#meanMs;
  }
}
