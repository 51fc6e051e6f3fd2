import { Decoder, type ModelPaths } from './library.ts';

/**
 * Decoders of one engine process, about 100 MB each, made as they are needed and leased per segment.
 * Who finds none waits in line.
 */
export class DecoderPool {
  readonly #model: ModelPaths;
  readonly #maxDecoders: number;
  readonly #idle: Decoder[] = [];
  readonly #waiting: ((decoder: Decoder) => void)[] = [];
  #made = 0;

  /** Makes the first decoder at once, so that a bad model shows at the start. */
  constructor(model: ModelPaths, maxDecoders: number) {
    this.#model = model;
    this.#maxDecoders = maxDecoders;
    this.#idle.push(this.#make());
  }

  lease(): Promise<Decoder> {
    const decoder = this.#idle.pop() ?? (this.#made < this.#maxDecoders ? this.#make() : undefined);
    if (decoder) return Promise.resolve(decoder);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get leased(): number {
    return this.#made - this.#idle.length;
  }

  release(decoder: Decoder): void {
    const next = this.#waiting.shift();
    if (next) next(decoder);
    else this.#idle.push(decoder);
  }

  #make(): Decoder {
    this.#made += 1;
    return new Decoder(this.#model);
  }
}
