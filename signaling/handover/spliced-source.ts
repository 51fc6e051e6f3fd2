import { type AudioSource, type LaneAudio, msToSamples, type PcmFrame, SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { findSeam } from './seam.ts';

/** Audio that the client is asked to send again before the seam: as far as its idea of our clock may be off. */
export const MARGIN_SAMPLES = 4 * SAMPLE_RATE_HZ;
/** What is kept to find the seam by. */
const MEMORY_SAMPLES = 4 * SAMPLE_RATE_HZ;
/** A hole so long may be the path's last sign of life. */
const TELLING_HOLE_SAMPLES = msToSamples(200);
/** Sound without another hole after which the path lives. */
const ALIVE_SAMPLES = msToSamples(1500);
/** Then silence is silence after all. */
const MAX_HELD_SAMPLES = 15 * SAMPLE_RATE_HZ;
/** So alike is the same sound, whatever else there is. */
const CERTAIN = 0.85;
/** And so alike it probably is, if nothing in all of the replay is more so. */
const PROBABLE = 0.5;
/** Replay that is looked at before time decides: the margin on both sides of where the seam should be. */
const MAX_SEARCHED_SAMPLES = 2 * MARGIN_SAMPLES;
const SEARCH_EVERY_SAMPLES = SAMPLE_RATE_HZ / 2;

/**
 * One lane's audio from two ways in, one after the other, without a seam: the first until it is cut, then a replay of the client's that
 * begins before that and goes on. Positions run on.
 *
 *   first    .....speech.....|   (dies)
 *   replay          ..speech.....speech...
 *   out      .....speech.....|...speech...
 *
 * While the first may be dying (no packets, or a long hole) what it says is held back: see ADR 0026.
 */
export class SplicedSource implements AudioSource {
  readonly #first: AudioSource;
  readonly #next = Promise.withResolvers<AudioSource | undefined>();
  readonly #end = Promise.withResolvers<number>();
  readonly #memory = new RecentSound(MEMORY_SAMPLES);
  #position = 0;
  #closed = false;
  /** The seam is behind us. */
  #found = false;
  #replay: { readonly source: AudioSource; offset: number } | undefined;

  constructor(first: AudioSource) {
    this.#first = first;
  }

  get queuedEndSample(): number {
    const { source, offset } = this.#replay ?? { source: this.#first, offset: 0 };
    return source.queuedEndSample === undefined ? 0 : source.queuedEndSample + offset;
  }

  /** Positions run on from the first way's. */
  get originMs(): number | undefined {
    return this.#first.originMs;
  }

  /** The first way is given up. Resolves with the position up to which the lane has heard it, once it has. */
  cut(): Promise<number> {
    this.#first.close();
    return this.#end.promise;
  }

  /** Goes on with the replay, which should begin {@link MARGIN_SAMPLES} before the cut. Once. */
  continueWith(source: AudioSource): void {
    if (this.#closed) source.close();
    this.#next.resolve(source);
    this.#replay = { source, offset: 0 };
  }

  close(): void {
    this.#closed = true;
    this.#first.close();
    this.#replay?.source.close();
    this.#next.resolve(undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LaneAudio, void, void> {
    try {
      const patience = new Patience();
      for await (const item of this.#first) for (const released of patience.take(item)) yield this.#placed(released);
      this.#end.resolve(this.#position);
      const replay = this.#closed ? undefined : await this.#next.promise;
      if (replay) yield* this.#follow(replay);
      // A session that ends without one hears what there is.
      else for (const released of patience.rest()) yield this.#placed(released);
    } finally {
      this.#end.resolve(this.#position);
      this.close();
    }
  }

  async *#follow(replay: AudioSource): AsyncGenerator<LaneAudio, void, void> {
    let parts: Int16Array[] = [];
    let length = 0;
    let nextSearch = MARGIN_SAMPLES;
    for await (const item of replay) {
      if (this.#found) {
        yield this.#placed(item);
        continue;
      }
      parts.push(soundOf(item));
      length += lengthOf(item);
      if (length < nextSearch) continue;
      nextSearch = length + SEARCH_EVERY_SAMPLES;
      parts = [joined(parts)];
      const at = this.#seam(parts[0]!, length >= MAX_SEARCHED_SAMPLES);
      if (at !== undefined) yield* this.#goOn(parts[0]!, at);
    }
    if (this.#found) return;
    const all = joined(parts);
    yield* this.#goOn(all, this.#seam(all, true) ?? all.length);
  }

  /** The first sample of the replay that is new; undefined while more of it may tell better. */
  #seam(replay: Int16Array, isAll: boolean): number | undefined {
    // Where nothing was heard all is new.
    if (this.#position === 0) return 0;
    const seam = findSeam(this.#memory.samples(), replay);
    if (seam && (seam.likeness >= CERTAIN || (isAll && seam.likeness >= PROBABLE))) return seam.at;
    return isAll ? Math.min(MARGIN_SAMPLES, replay.length) : undefined;
  }

  *#goOn(replay: Int16Array, at: number): Generator<LaneAudio, void, void> {
    this.#found = true;
    if (this.#replay) this.#replay.offset = this.#position - at;
    if (at < replay.length) yield this.#placed({ kind: 'pcm', startSample: 0, samples: replay.subarray(at) });
  }

  #placed(item: LaneAudio): LaneAudio {
    const startSample = this.#position;
    this.#position += item.kind === 'pcm' ? item.samples.length : item.lengthSamples;
    if (!this.#found) this.#memory.push(item);
    return { ...item, startSample };
  }
}

/** Holds back what may be a path's end: silence that nobody announced, long holes, and what follows them until the path has proved itself. */
class Patience {
  #held: LaneAudio[] = [];
  #heldSamples = 0;
  #aliveSamples = 0;
  /** It was silence after all: until sound comes, more of it passes. */
  #resigned = false;

  take(item: LaneAudio): readonly LaneAudio[] {
    const suspicious = item.kind === 'gap' && (item.cause === 'mute' || (item.cause === 'loss' && item.lengthSamples >= TELLING_HOLE_SAMPLES));
    if (item.kind === 'pcm') this.#resigned = false;
    if (this.#held.length === 0 && (!suspicious || this.#resigned)) return [item];
    const samples = lengthOf(item);
    this.#held.push(item);
    this.#heldSamples += samples;
    this.#aliveSamples = suspicious ? 0 : this.#aliveSamples + samples;
    if (this.#aliveSamples >= ALIVE_SAMPLES) return this.rest();
    if (this.#heldSamples < MAX_HELD_SAMPLES) return [];
    this.#resigned = item.kind === 'gap';
    return this.rest();
  }

  rest(): readonly LaneAudio[] {
    this.#heldSamples = 0;
    this.#aliveSamples = 0;
    return this.#held.splice(0);
  }
}

/** The last sound of a lane. */
class RecentSound {
  readonly #ring: Int16Array;
  #pushed = 0;

  constructor(maxSamples: number) {
    this.#ring = new Int16Array(maxSamples);
  }

  push(item: LaneAudio): void {
    const size = this.#ring.length;
    const isPcm = item.kind === 'pcm';
    const length = lengthOf(item);
    const kept = Math.min(length, size);
    for (let index = length - kept; index < length; index += 1) this.#ring[(this.#pushed + index) % size] = isPcm ? item.samples[index]! : 0;
    this.#pushed += length;
  }

  samples(): Int16Array {
    const size = this.#ring.length;
    if (this.#pushed <= size) return this.#ring.slice(0, this.#pushed);
    const at = this.#pushed % size;
    return joined([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
  }
}

const lengthOf = (item: LaneAudio): number => (item.kind === 'pcm' ? item.samples.length : item.lengthSamples);
const soundOf = (item: LaneAudio): PcmFrame['samples'] => (item.kind === 'pcm' ? item.samples : new Int16Array(item.lengthSamples));

function joined(parts: readonly Int16Array[]): Int16Array {
  if (parts.length === 1) return parts[0]!;
  const out = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
