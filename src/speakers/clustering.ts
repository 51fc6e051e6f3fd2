import type { VoiceMeasure, Voiceprint } from './voice.ts';

/** Less speech than this does not found a voice of its own: it goes to the nearest that is there. */
const MIN_FOUNDING_SECONDS = 0.4;
/** A voice heard less than this in a whole recording is taken for a stray piece of another. */
const MIN_VOICE_SECONDS = 1.2;
/** Prints that are compared each with each; more are grouped block by block first, then the blocks' voices. */
const MAX_BLOCK = 600;
/** Rounds of giving every print to the voice that it is nearest to. */
const REFINEMENTS = 3;

/** A voice as found among prints. */
interface Cluster {
  print: Voiceprint;
  members: number[];
}

/**
 * Groups prints by voice: agglomerative clustering, the most alike pair first, until no two groups are probably one person; then every
 * print goes to the group that it is nearest to. Answers the number of each print's group, in order of first appearance.
 */
export function groupVoices(prints: readonly Voiceprint[], measure: VoiceMeasure): number[] {
  const indices = prints.map((_, index) => index);
  const long = indices.filter((index) => measure.speechSeconds(prints[index]!) >= MIN_FOUNDING_SECONDS);
  const founding = long.length > 0 ? long : indices;
  let clusters = clusterBlocks(founding.map((index) => ({ print: prints[index]!, members: [index] })), measure);
  const lasting = clusters.filter(({ print }) => measure.speechSeconds(print) >= MIN_VOICE_SECONDS);
  if (lasting.length > 0) clusters = lasting;
  for (let round = 0; round < REFINEMENTS; round += 1) clusters = reassigned(clusters, founding, prints, measure);
  return numbered(prints.map((print) => nearest(print, clusters, measure)));
}

/** Index of the most alike cluster. 0 where there is none. */
function nearest(print: Voiceprint, clusters: readonly Cluster[], measure: VoiceMeasure): number {
  let best = 0;
  let least = Infinity;
  for (const [index, cluster] of clusters.entries()) {
    const difference = measure.difference(print, cluster.print);
    if (difference < least) [best, least] = [index, difference];
  }
  return best;
}

function reassigned(clusters: readonly Cluster[], indices: readonly number[], prints: readonly Voiceprint[], measure: VoiceMeasure): Cluster[] {
  const groups = new Map<number, number[]>();
  for (const index of indices) {
    const cluster = nearest(prints[index]!, clusters, measure);
    groups.set(cluster, [...(groups.get(cluster) ?? []), index]);
  }
  return [...groups.values()].map((members) => ({ members, print: members.map((index) => prints[index]!).reduce((a, b) => measure.merge(a, b)) }));
}

function clusterBlocks(clusters: Cluster[], measure: VoiceMeasure): Cluster[] {
  if (clusters.length <= MAX_BLOCK) return agglomerate(clusters, measure);
  const merged: Cluster[] = [];
  for (let start = 0; start < clusters.length; start += MAX_BLOCK) merged.push(...agglomerate(clusters.slice(start, start + MAX_BLOCK), measure));
  // Blocks in which nothing was alike cannot be made fewer by this.
  return merged.length < clusters.length ? clusterBlocks(merged, measure) : merged;
}

function agglomerate(input: readonly Cluster[], measure: VoiceMeasure): Cluster[] {
  const clusters: (Cluster | undefined)[] = [...input];
  const size = clusters.length;
  const differences = new Float64Array(size * size).fill(Infinity);
  const compare = (a: number, b: number): void => {
    differences[Math.max(a, b) * size + Math.min(a, b)] = clusters[a] && clusters[b] ? measure.difference(clusters[a].print, clusters[b].print) : Infinity;
  };
  for (let a = 0; a < size; a += 1) for (let b = 0; b < a; b += 1) compare(a, b);
  for (;;) {
    let best = -1;
    let least = 1;
    for (let at = 0; at < differences.length; at += 1) if (differences[at]! < least) [best, least] = [at, differences[at]!];
    if (best < 0) return clusters.filter((cluster) => cluster !== undefined);
    const [kept, gone] = [best % size, Math.floor(best / size)];
    clusters[kept] = merge(clusters[kept]!, clusters[gone]!, measure);
    clusters[gone] = undefined;
    for (let other = 0; other < size; other += 1) {
      if (other !== kept) compare(kept, other);
      if (other !== gone) compare(gone, other);
    }
  }
}

const merge = (a: Cluster, b: Cluster, measure: VoiceMeasure): Cluster => ({ print: measure.merge(a.print, b.print), members: [...a.members, ...b.members] });

/** The same groups, numbered in order of first appearance. */
function numbered(groups: readonly number[]): number[] {
  const numbers = new Map<number, number>();
  return groups.map((group) => {
    const number = numbers.get(group) ?? numbers.size;
    numbers.set(group, number);
    return number;
  });
}
