import koffi from 'koffi';
import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { EarshotError } from '../../src/core/errors.ts';
import { opusPacketTicks } from './opus-packet.ts';
import { silkLayer } from './silk-layer.ts';
import { Slab } from './slab.ts';

/** Ticks of the 48 kHz RTP clock per lane sample. */
export const TICKS_PER_SAMPLE = 48_000 / SAMPLE_RATE_HZ;

const MAX_PACKET_SAMPLES = 120 * (SAMPLE_RATE_HZ / 1000);
/** Concealment and FEC come in steps of 2.5 ms. */
export const CONCEALMENT_STEP_SAMPLES = 2.5 * (SAMPLE_RATE_HZ / 1000);
const CHANNELS = 1;
/** Of one frame (RFC 6716, section 3.2.1), with its table of contents. */
const MAX_PACKET_BYTES = 1276;
/**
 * Frames of all streams of a thread lie in slabs of eight, of 20 ms each. Were the slabs a stream's own, they would outlive V8's young generation where
 * there are hundreds of streams, and then everything would be collected twice a second.
 */
const frames = new Slab(160 * (SAMPLE_RATE_HZ / 1000) * Int16Array.BYTES_PER_ELEMENT);
/** A packet without what lies above 8 kHz, while it is decoded. */
const lower = Buffer.alloc(MAX_PACKET_BYTES);
const OPUS_OK = 0;

/** The calls of libopus that are used; see opus_decoder.h. */
interface LibOpus {
  version: () => string;
  decoderSizeBytes: (channels: number) => number;
  decoderInit: (state: Uint8Array, sampleRateHz: number, channels: number) => number;
  decode: (
    state: Uint8Array,
    packet: Uint8Array | null,
    lengthBytes: number,
    pcm: Int16Array,
    frameSamples: number,
    decodeFec: number,
  ) => number;
}

let loaded: LibOpus | undefined;

/** Binds the system's libopus once per process. Throws `BACKEND_UNAVAILABLE` when it is not installed. */
function libOpus(): LibOpus {
  loaded ??= bindLibOpus();
  return loaded;
}

function bindLibOpus(): LibOpus {
  try {
    const library = koffi.load('libopus.so.0');
    return {
      version: library.func('const char *opus_get_version_string()') as LibOpus['version'],
      decoderSizeBytes: library.func('int opus_decoder_get_size(int channels)') as LibOpus['decoderSizeBytes'],
      decoderInit: library.func(
        'int opus_decoder_init(void *state, int32_t rate, int channels)',
      ) as LibOpus['decoderInit'],
      decode: library.func(
        'int opus_decode(void *state, const uint8_t *packet, int32_t length, int16_t *pcm, int frame, int fec)',
      ) as LibOpus['decode'],
    };
  } catch (cause) {
    throw new EarshotError(
      'BACKEND_UNAVAILABLE',
      'The Opus decoder is not installed: libopus.so.0 of the Debian package libopus0.',
      { cause },
    );
  }
}

/** For `doctor` and start-up checks: the library's version. Throws `BACKEND_UNAVAILABLE` when it is not installed. */
export function opusVersion(): string {
  return libOpus().version();
}

/**
 * Decodes one Opus stream straight to lane audio (16 kHz mono Int16; libopus mixes stereo down by itself).
 *
 * The decoder's memory is an ordinary buffer initialized with `opus_decoder_init`, so it belongs to this object and goes with
 * it: there is no handle to free, none to free twice, and none to use after it was freed.
 */
export class OpusDecoder {
  readonly #library: LibOpus;
  readonly #state: Uint8Array;

  /** Throws `BACKEND_UNAVAILABLE` when libopus is not installed. */
  constructor() {
    this.#library = libOpus();
    this.#state = Buffer.alloc(this.#library.decoderSizeBytes(CHANNELS));
    this.reset();
  }

  /** Forgets the stream: for a new encoder on the other side. */
  reset(): void {
    const result = this.#library.decoderInit(this.#state, SAMPLE_RATE_HZ, CHANNELS);
    if (result !== OPUS_OK) throw new EarshotError('INTERNAL', `opus_decoder_init answered ${String(result)}.`);
  }

  /** The packet's audio, 2.5 to 120 ms of it; undefined if the packet is corrupt, and then the state is as after a loss. */
  decode(payload: Uint8Array): Int16Array | undefined {
    const ticks = opusPacketTicks(payload);
    if (ticks === undefined) return undefined;
    const samples = ticks / TICKS_PER_SAMPLE;
    const lowerBytes = silkLayer(payload, lower);
    return lowerBytes > 0 ? this.#decode(lower, lowerBytes, samples, 0) : this.#decode(payload, payload.length, samples, 0);
  }

  /**
   * Audio for `samples` lost before the packet `next`, out of the copy that `next` carries of the frame before it;
   * what the copy does not cover is extrapolated. `samples` is a multiple of 2.5 ms.
   */
  recover(next: Uint8Array, samples: number): Int16Array | undefined {
    return this.#decode(next, next.length, samples, 1);
  }

  /** Audio for `samples` lost, extrapolated from what came before and faded out. `samples` is a multiple of 2.5 ms. */
  conceal(samples: number): Int16Array | undefined {
    return this.#decode(null, 0, samples, 0);
  }

  #decode(packet: Uint8Array | null, bytes: number, samples: number, decodeFec: 0 | 1): Int16Array | undefined {
    if (samples <= 0 || samples > MAX_PACKET_SAMPLES) return undefined;
    const at = frames.reserve(samples * Int16Array.BYTES_PER_ELEMENT);
    const pcm = new Int16Array(frames.memory, at, samples);
    const decoded = this.#library.decode(this.#state, packet, bytes, pcm, samples, decodeFec);
    return decoded === samples ? pcm : undefined;
  }
}
