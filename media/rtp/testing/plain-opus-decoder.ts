import koffi from 'koffi';

const SAMPLE_RATE_HZ = 16_000;

type Decode = (state: Uint8Array, packet: Uint8Array | null, bytes: number, pcm: Int16Array, frame: number, fec: number) => number;

/** libopus at 16 kHz mono and nothing besides: what a decoder of ours must not differ from. */
export class PlainOpusDecoder {
  readonly #state: Uint8Array;
  readonly #decode: Decode;

  constructor() {
    const library = koffi.load('libopus.so.0');
    this.#state = Buffer.alloc(library.func('int opus_decoder_get_size(int channels)')(1) as number);
    library.func('int opus_decoder_init(void *state, int32_t rate, int channels)')(this.#state, SAMPLE_RATE_HZ, 1);
    this.#decode = library.func('int opus_decode(void *state, const uint8_t *packet, int32_t bytes, int16_t *pcm, int frame, int fec)') as Decode;
  }

  /** `null`: it was lost. `fec`: of the frame before it. Undefined if libopus refuses it. */
  decode(packet: Uint8Array | null, samples: number, fec = false): Int16Array | undefined {
    const pcm = new Int16Array(samples);
    return this.#decode(this.#state, packet, packet?.length ?? 0, pcm, samples, fec ? 1 : 0) === samples ? pcm : undefined;
  }
}
