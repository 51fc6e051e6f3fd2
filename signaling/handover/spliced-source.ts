import { type AudioSource, type LaneAudio, msToSamples, type PcmFrame, SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { findSeam, isTelling, silenceBefore } from './seam.ts';

/** Audio that the client is asked to send again before the seam: as far as its idea of our clock may be off. */
export const MARGIN_SAMPLES = 4 * SAMPLE_RATE_HZ;
/** What is kept to find the seam by. */
const MEMORY_SAMPLES = 4 * SAMPLE_RATE_HZ;
/** A hole so long may be the path's last sign of life. */
const TELLING_HOLE_SAMPLES = msToSamples(200);
/** Sound without another hole after which the path lives. */
const ALIVE_SAMPLES = msToSamples(1500);
/** And so long after a hole of which the client was told: it is about to send again what fell into it. */
const ALIVE_AFTER_LOSS_SAMPLES = 3 * SAMPLE_RATE_HZ;
/** Then silence is silence after all. */
const MAX_HELD_SAMPLES = 15 * SAMPLE_RATE_HZ;
/** So alike is the same sound, whatever else there is. */
const CERTAIN = 0.85;
/** And so alike it probably is, if nothing in all of the replay is more so, or no other place half as much and this one is not where the replay ends so far. */
const PROBABLE = 0.5;
const END_SAMPLES = msToSamples(100);
/** Beyond where the seam should be, so much of the way that follows is looked at before time decides. */
const SEARCHED_BEYOND_SAMPLES = MARGIN_SAMPLES;
/** Where time has to decide about sound, it may be off by so much, and is: to hear a word twice is better than not at all. */
const DOUBT_SAMPLES = SAMPLE_RATE_HZ;
const SEARCH_EVERY_SAMPLES = SAMPLE_RATE_HZ / 2;

/** What carries a lane's audio for a while: a track, whose end is that of a path, or a stream, whose end is the client's wish. */
export interface Way {
  readonly kind: 'track' | 'stream';
  readonly source: AudioSource;
  /** About so much of its beginning the way before it has too; 0: nothing. */
  readonly overlapSamples: number;
}

/**
 * One lane's audio from several ways in, one after the other, without a seam: each is heard until it is cut or ends, and the next begins before that.
 * Behind a track another way is waited for; behind a stream only if it was {@link left}. Positions run on.
 *
 *   track        .....speech.....|   (dies)
 *   replay          ..speech.....speech...|   (the client leaves it)
 *   next track                    .speech......
 *   out          .....speech.....|...speech|.....
 *
 * While a way may be dying (no packets, or a long hole) what it says is held back: see ADR 0026.
 */
export class SplicedSource implements AudioSource {
  readonly #first: AudioSource;
  readonly #onLoss: () => void;
  readonly #memory = new RecentSound(MEMORY_SAMPLES);
  #way: Way;
  /** Of the way's positions to the lane's; known from the seam on. */
  #offset = 0;
  #next: Way | undefined;
  /** Resolves with the position once all that there is was heard. */
  #heardOut = Promise.withResolvers<number>();
  #position = 0;
  #closed = false;
  #wake: () => void = () => undefined;

  /** `onLoss`: 200 ms or more of a track were lost at once, and the track goes on. What comes behind that is held back for a while, so that the track can be {@link cut} before it. */
  constructor(source: AudioSource, kind: Way['kind'] = 'track', onLoss: () => void = () => undefined) {
    this.#first = source;
    this.#onLoss = onLoss;
    this.#way = { kind, source, overlapSamples: 0 };
  }

  get queuedEndSample(): number {
    const { queuedEndSample } = this.#way.source;
    return queuedEndSample === undefined ? 0 : queuedEndSample + this.#offset;
  }

  /** Positions run on from the first way's. */
  get originMs(): number | undefined {
    return this.#first.originMs;
  }

  /** The ways so far are given up. Resolves with the position up to which the lane has heard them, once it has. */
  cut(): Promise<number> {
    this.#way.source.close();
    this.#next?.source.close();
    return this.#heardOut.promise;
  }

  /** Goes on with this one when the way before is cut or at its end. */
  continueWith(way: Way): void {
    this.#next?.source.close();
    this.#next = undefined;
    if (this.#closed) way.source.close();
    else this.#next = way;
    this.#wake();
  }

  /** The stream that is heard, or was last, ends for another way, whether that is there already or not. */
  left(): void {
    this.#way = { ...this.#way, kind: 'track' };
  }

  close(): void {
    this.#closed = true;
    this.#way.source.close();
    this.#next?.source.close();
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LaneAudio, void, void> {
    try {
      for (;;) {
        const patience = new Patience(this.#onLoss);
        for await (const item of this.#fromSeam(this.#way)) for (const released of patience.take(item)) yield this.#placed(released);
        const next = await this.#following();
        if (!next) {
          // A session that ends without another hears what there is.
          for (const released of patience.rest()) yield this.#placed(released);
          return;
        }
        this.#way = next;
      }
    } finally {
      this.#heardOut.resolve(this.#position);
      this.close();
    }
  }

  async #following(): Promise<Way | undefined> {
    if (this.#isWaiting() && this.#way.kind === 'track') {
      this.#heardOut.resolve(this.#position);
      while (this.#isWaiting()) await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#heardOut = Promise.withResolvers();
    }
    const next = this.#next;
    this.#next = undefined;
    return next;
  }

  /** Asked anew after each wait. */
  #isWaiting(): boolean {
    return !this.#next && !this.#closed;
  }

  /** A way from the first sample on that the lane has not had. */
  async *#fromSeam(way: Way): AsyncGenerator<LaneAudio, void, void> {
    // Where nothing was heard all is new.
    const isNew = this.#position === 0 || way.overlapSamples === 0;
    let at = isNew ? 0 : undefined;
    if (isNew) this.#offset = this.#position;
    let parts: Int16Array[] = [];
    let length = 0;
    let nextSearch = way.overlapSamples;
    // What is looked for a seam in is not held back.
    if (isNew) way.source.retract?.();
    for await (const item of way.source) {
      if (at !== undefined) {
        yield item;
        continue;
      }
      parts.push(soundOf(item));
      length += lengthOf(item);
      if (length < nextSearch) continue;
      nextSearch = length + SEARCH_EVERY_SAMPLES;
      parts = [joined(parts)];
      at = await this.#seam(parts[0]!, way.overlapSamples, length >= way.overlapSamples + SEARCHED_BEYOND_SAMPLES);
      if (at === undefined) continue;
      way.source.retract?.();
      yield* this.#behind(parts[0]!, at);
    }
    if (at !== undefined) return;
    const all = joined(parts);
    yield* this.#behind(all, (await this.#seam(all, way.overlapSamples, true)) ?? all.length);
  }

  /** What is new of a way's beginning. */
  #behind(sound: Int16Array, at: number): readonly LaneAudio[] {
    this.#offset = this.#position - at;
    return at < sound.length ? [{ kind: 'pcm', startSample: at, samples: sound.subarray(at) }] : [];
  }

  /** The first sample of this sound that is new; undefined while more of it may tell better. */
  async #seam(sound: Int16Array, overlapSamples: number, isAll: boolean): Promise<number | undefined> {
    const heard = this.#memory.samples();
    const seam = await findSeam(heard, sound);
    if (seam && seam.likeness >= (isAll || (seam.rival < seam.likeness / 2 && seam.at < sound.length - END_SAMPLES) ? PROBABLE : CERTAIN)) return seam.at;
    const known = Math.min(overlapSamples, sound.length);
    // Behind silence any sound is new.
    if (!isTelling(heard)) return silenceBefore(sound.subarray(0, known));
    return isAll ? Math.max(0, known - DOUBT_SAMPLES) : undefined;
  }

  #placed(item: LaneAudio): LaneAudio {
    const startSample = this.#position;
    this.#position += lengthOf(item);
    this.#memory.push(item);
    return { ...item, startSample };
  }
}

/** Holds back what may be a path's end: silence that nobody announced, long holes, and what follows them until the path has proved itself. */
class Patience {
  readonly #onLoss: () => void;
  #held: LaneAudio[] = [];
  #heldSamples = 0;
  #aliveSamples = 0;
  /** It was silence after all: until sound comes, more of it passes. */
  #resigned = false;
  /** Of the hole that the last item belongs to. */
  #holeSamples = 0;
  /** It was told. */
  #hasLost = false;
  /** The client was told and did nothing about it: it is not waited for again. */
  #isIgnored = false;
  /** Silence that was none, and has passed. */
  #owedSamples = 0;

  constructor(onLoss: () => void) {
    this.#onLoss = onLoss;
  }

  take(told: LaneAudio): readonly LaneAudio[] {
    const item = this.#settle(told);
    if (!item) return [];
    const suspicious = item.kind === 'gap' && (item.cause === 'mute' || (item.cause === 'loss' && item.lengthSamples >= TELLING_HOLE_SAMPLES));
    if (item.kind === 'pcm') this.#resigned = false;
    if (this.#held.length === 0 && (!suspicious || this.#resigned)) return [item];
    const samples = lengthOf(item);
    this.#held.push(item);
    this.#heldSamples += samples;
    this.#aliveSamples = suspicious ? 0 : this.#aliveSamples + samples;
    this.#watchLoss(item);
    if (this.#aliveSamples >= (this.#hasLost ? ALIVE_AFTER_LOSS_SAMPLES : ALIVE_SAMPLES)) {
      this.#isIgnored ||= this.#hasLost;
      return this.rest();
    }
    if (this.#heldSamples < MAX_HELD_SAMPLES) return [];
    this.#resigned = item.kind === 'gap';
    return this.rest();
  }

  /** Silence that is taken back goes out of what is held; what is not there any more, out of gaps to come. */
  #settle(item: LaneAudio): LaneAudio | undefined {
    if (item.kind === 'pcm') return item;
    if (item.lengthSamples < 0) {
      this.#owedSamples -= item.lengthSamples;
      this.#owedSamples = this.#takeBack(this.#owedSamples);
      // It has yet to show that it goes on.
      this.#aliveSamples = 0;
      return undefined;
    }
    const paid = Math.min(this.#owedSamples, item.lengthSamples);
    this.#owedSamples -= paid;
    return paid === item.lengthSamples ? undefined : { ...item, lengthSamples: item.lengthSamples - paid };
  }

  /** Answers how much there was not. */
  #takeBack(samples: number): number {
    let rest = samples;
    for (let index = this.#held.length - 1; index >= 0 && rest > 0; index -= 1) {
      const item = this.#held[index]!;
      if (item.kind !== 'gap' || item.cause !== 'mute') continue;
      const taken = Math.min(rest, item.lengthSamples);
      rest -= taken;
      this.#heldSamples -= taken;
      this.#held.splice(index, 1, ...(taken < item.lengthSamples ? [{ ...item, lengthSamples: item.lengthSamples - taken }] : []));
    }
    return rest;
  }

  /** Silence that ends with packets missing was none. */
  #watchLoss(item: LaneAudio): void {
    const isHole = item.kind === 'gap' && (item.cause === 'mute' || item.cause === 'loss');
    this.#holeSamples = isHole ? this.#holeSamples + item.lengthSamples : 0;
    if (this.#hasLost || this.#isIgnored || !isHole || item.cause !== 'loss' || this.#holeSamples < TELLING_HOLE_SAMPLES) return;
    this.#hasLost = true;
    this.#onLoss();
  }

  rest(): readonly LaneAudio[] {
    this.#heldSamples = 0;
    this.#aliveSamples = 0;
    this.#hasLost = false;
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
