import type { PcmFrame } from '../audio.ts';

/**
 * The last stretch of a lane, for who wants to hear an utterance again when it has ended. Positions are lane samples; frames come in
 * order, and where one was left out there is silence. Never holds more than `maxSamples`: the oldest goes.
 */
export class AudioMemory {
  readonly #maxSamples: number;
  #frames: PcmFrame[] = [];
  #heldSamples = 0;

  constructor(maxSamples: number) {
    this.#maxSamples = maxSamples;
  }

  get heldSamples(): number {
    return this.#heldSamples;
  }

  push(frame: PcmFrame): void {
    this.#frames.push(frame);
    this.#heldSamples += frame.samples.length;
    while (this.#heldSamples > this.#maxSamples) this.#dropFirst();
  }

  /** What ended at or before `sample` is wanted no more. */
  forgetBefore(sample: number): void {
    for (let [first] = this.#frames; first && first.startSample + first.samples.length <= sample; [first] = this.#frames) this.#dropFirst();
  }

  /** The lane from `startSample` to `endSample`; shorter at its start where that was let go. */
  take(startSample: number, endSample: number): PcmFrame {
    const from = Math.min(endSample, Math.max(startSample, this.#frames[0]?.startSample ?? endSample));
    const samples = new Int16Array(endSample - from);
    for (const frame of this.#frames) {
      const begin = Math.max(from, frame.startSample);
      const end = Math.min(endSample, frame.startSample + frame.samples.length);
      if (begin < end) samples.set(frame.samples.subarray(begin - frame.startSample, end - frame.startSample), begin - from);
    }
    return { kind: 'pcm', startSample: from, samples };
  }

  #dropFirst(): void {
    this.#heldSamples -= this.#frames.shift()?.samples.length ?? 0;
  }
}
