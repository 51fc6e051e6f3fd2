import { STAGES, type ObserveStage, type Stage } from '../core/stages.ts';

/** Upper bounds grow by this factor: a quantile read from them is right to about 10 %. */
const GROWTH = 1.2;
const SMALLEST_MS = 0.005;
const LARGEST_MS = 60_000;
const BOUNDS_MS = Array.from(
  { length: Math.ceil(Math.log(LARGEST_MS / SMALLEST_MS) / Math.log(GROWTH)) + 1 },
  (_, index) => SMALLEST_MS * GROWTH ** index,
);

class Histogram {
  readonly buckets = new Float64Array(BOUNDS_MS.length + 1);
  sumMs = 0;

  add(durationMs: number): void {
    const index = Math.ceil(Math.log(durationMs / SMALLEST_MS) / Math.log(GROWTH));
    const bucket = Math.max(0, Math.min(BOUNDS_MS.length, index || 0));
    this.buckets[bucket] = this.buckets[bucket]! + 1;
    this.sumMs += durationMs;
  }
}

/** One histogram for each stage between sound and words. */
export class StageHistograms {
  readonly #histograms = new Map<Stage, Histogram>(STAGES.map((stage) => [stage, new Histogram()]));

  readonly observe: ObserveStage = (stage, durationMs) => {
    this.#histograms.get(stage)?.add(durationMs);
  };

  /** Lines in Prometheus' text format; buckets that add nothing are left out. */
  lines(): string[] {
    const name = 'earshot_stage_seconds';
    const lines = [`# TYPE ${name} histogram`];
    for (const [stage, { buckets, sumMs }] of this.#histograms) {
      let count = 0;
      for (const [index, boundMs] of BOUNDS_MS.entries()) {
        const added = buckets[index]!;
        count += added;
        if (added > 0) lines.push(`${name}_bucket{stage="${stage}",le="${(boundMs / 1000).toPrecision(4)}"} ${String(count)}`);
      }
      count += buckets[BOUNDS_MS.length]!;
      lines.push(`${name}_bucket{stage="${stage}",le="+Inf"} ${String(count)}`);
      lines.push(`${name}_sum{stage="${stage}"} ${(sumMs / 1000).toFixed(6)}`, `${name}_count{stage="${stage}"} ${String(count)}`);
    }
    return lines;
  }
}
