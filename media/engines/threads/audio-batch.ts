import type { GapCause, LaneAudio } from '../../../src/core/audio.ts';

/** Lane audio of many tracks for one message: two buffers, which are handed over and not copied. */
export interface AudioBatch {
  /** Of each item: track, kind (0 PCM, else the cause of the gap), start, length. In order for each track. */
  readonly items: Float64Array<ArrayBuffer>;
  /** The samples of all PCM items, one after the other. */
  readonly samples: Int16Array<ArrayBuffer>;
}

const FIELDS = 4;
const PCM = 0;
const CAUSES: readonly GapCause[] = ['loss', 'dtx', 'mute', 'overflow'];

/** Gathers items until they are taken as a batch. */
export class AudioBatchWriter {
  readonly #fields: number[] = [];
  readonly #frames: Int16Array[] = [];
  #samples = 0;

  get isEmpty(): boolean {
    return this.#fields.length === 0;
  }

  add(track: number, item: LaneAudio): void {
    if (item.kind === 'gap') {
      this.#fields.push(track, 1 + CAUSES.indexOf(item.cause), item.startSample, item.lengthSamples);
      return;
    }
    this.#fields.push(track, PCM, item.startSample, item.samples.length);
    this.#frames.push(item.samples);
    this.#samples += item.samples.length;
  }

  take(): AudioBatch {
    const samples = new Int16Array(this.#samples);
    let at = 0;
    for (const frame of this.#frames) {
      samples.set(frame, at);
      at += frame.length;
    }
    const items = new Float64Array(this.#fields);
    this.#fields.length = 0;
    this.#frames.length = 0;
    this.#samples = 0;
    return { items, samples };
  }
}

/** Calls `each` for the items of a batch, in order. PCM is a view of the batch. */
export function readAudioBatch({ items, samples }: AudioBatch, each: (track: number, item: LaneAudio) => void): void {
  let at = 0;
  for (let field = 0; field + FIELDS <= items.length; field += FIELDS) {
    // Not taken apart by a pattern: that would make an iterator for each item.
    const track = items[field] ?? 0;
    const kind = items[field + 1] ?? 0;
    const startSample = items[field + 2] ?? 0;
    const length = items[field + 3] ?? 0;
    if (kind === PCM) {
      each(track, { kind: 'pcm', startSample, samples: samples.subarray(at, at + length) });
      at += length;
    } else each(track, { kind: 'gap', startSample, lengthSamples: length, cause: CAUSES[kind - 1] ?? 'loss' });
  }
}
