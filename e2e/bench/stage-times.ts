/** Quantiles of one stage between two looks at the server's metrics, in ms. */
export interface StageTimes {
  readonly stage: string;
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Upper bound in seconds -> how many lie in the bucket. */
type Buckets = Map<number, number>;

const LINE = /^earshot_stage_seconds_bucket\{stage="(\w+)",le="([^"]+)"\}$/;

/** Each quantile is the upper bound of the bucket that it lies in, so never too good. */
export function stageTimes(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): StageTimes[] {
  const earlier = bucketsOf(before);
  return [...bucketsOf(after)].map(([stage, buckets]) => {
    const counts: Buckets = new Map();
    for (const [bound, count] of buckets) counts.set(bound, count - (earlier.get(stage)?.get(bound) ?? 0));
    const count = [...counts.values()].reduce((sum, each) => sum + each, 0);
    const at = (share: number): number => quantile(counts, count * share) * 1000;
    return { stage, count, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  });
}

/** Lines come with cumulative counts, bounds ascending. */
function bucketsOf(metrics: ReadonlyMap<string, number>): Map<string, Buckets> {
  const stages = new Map<string, Buckets>();
  const totals = new Map<string, number>();
  for (const [name, cumulative] of metrics) {
    const [, stage, bound] = LINE.exec(name) ?? [];
    if (stage === undefined) continue;
    const buckets = stages.get(stage) ?? new Map<number, number>();
    buckets.set(bound === '+Inf' ? Infinity : Number(bound), cumulative - (totals.get(stage) ?? 0));
    totals.set(stage, cumulative);
    stages.set(stage, buckets);
  }
  return stages;
}

function quantile(counts: Buckets, rank: number): number {
  let seen = 0;
  for (const [bound, count] of [...counts].sort(([a], [b]) => a - b)) {
    seen += count;
    if (count > 0 && seen >= rank) return bound;
  }
  return NaN;
}
