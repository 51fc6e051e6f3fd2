import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import type { SearchTurns } from '../adapters/search-turns.ts';
import { type OnlineResult, type SherpaOnlineRecognizer, type SherpaStream, toWaveform } from './library.ts';

/** Time within which every known model has had its first look at the audio. */
const MAX_CHUNK_SAMPLES = 10 * SAMPLE_RATE_HZ;
const STEP_SAMPLES = SAMPLE_RATE_HZ / 100;
/** Streams after which the memory of finished ones is given back: their native part is unknown to the garbage collector. */
const COLLECT_EVERY_STREAMS = 16;

interface Waiting {
  readonly stream: SherpaStream;
  readonly resolve: () => void;
}

/** A streaming model, shared by all lanes: whatever streams have audio for another step are stepped together, as one batch. */
export class OnlineDecoder {
  readonly #recognizer: SherpaOnlineRecognizer;
  readonly #turns: SearchTurns;
  /** Silence after which the model has looked at everything before it. */
  readonly #flush: Int16Array;
  readonly #collect: () => void;
  #waiting: Waiting[] = [];
  #streams = 0;
  #isStepping = false;

  /** `tail`: samples of silence that the model wants after the speech, beyond a chunk. `collect` frees what is no longer referenced. Throws if the model never comes to look at the audio. */
  constructor(recognizer: SherpaOnlineRecognizer, turns: SearchTurns, tail: number, collect: () => void) {
    this.#recognizer = recognizer;
    this.#turns = turns;
    this.#collect = collect;
    this.#flush = new Int16Array(chunkSamples(recognizer) + 2 * STEP_SAMPLES + tail);
  }

  open(): SherpaStream {
    this.#streams += 1;
    if (this.#streams % COLLECT_EVERY_STREAMS === 0) this.#collect();
    return this.#recognizer.createStream();
  }

  /** Resolves once the samples are searched, as far as the model can without more of them. */
  feed(stream: SherpaStream, samples: Int16Array): Promise<void> {
    stream.acceptWaveform(toWaveform(samples, SAMPLE_RATE_HZ));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ stream, resolve });
    this.#schedule();
    return promise;
  }

  /** Makes the model look at all that was fed. The stream takes no more after it. */
  async finish(stream: SherpaStream): Promise<OnlineResult> {
    await this.feed(stream, this.#flush);
    return this.result(stream);
  }

  result(stream: SherpaStream): OnlineResult {
    return this.#recognizer.getResult(stream);
  }

  #schedule(): void {
    if (this.#isStepping) return;
    this.#isStepping = true;
    setImmediate(() => {
      // A step that fails ends the process, as every fault of the native code does.
      void this.#turns.take(async () => {
        this.#isStepping = false;
        this.#step();
      });
    });
  }

  /** One step for every stream that has audio for it. Messages are read in between. */
  #step(): void {
    const ready = new Set<SherpaStream>();
    this.#waiting = this.#waiting.filter((each) => {
      if (!this.#recognizer.isReady(each.stream)) {
        each.resolve();
        return false;
      }
      ready.add(each.stream);
      return true;
    });
    if (ready.size === 0) return;
    this.#recognizer.decodeStreams([...ready]);
    this.#schedule();
  }
}

/** How much audio the model waits for before its first step. */
function chunkSamples(recognizer: SherpaOnlineRecognizer): number {
  const stream = recognizer.createStream();
  const silence = toWaveform(new Int16Array(STEP_SAMPLES), SAMPLE_RATE_HZ);
  for (let fed = STEP_SAMPLES; fed <= MAX_CHUNK_SAMPLES; fed += STEP_SAMPLES) {
    stream.acceptWaveform(silence);
    if (!recognizer.isReady(stream)) continue;
    // A model whose shapes do not fit each other fails here, before it is given to anybody.
    recognizer.decodeStreams([stream]);
    recognizer.getResult(stream);
    return fed;
  }
  throw new Error('The model does not look at audio.');
}
