import koffi from 'koffi';
import type { RtpPacket } from '../packet.ts';

const APPLICATION_VOIP = 2048;
const SET_BITRATE = 4002;
const SET_INBAND_FEC = 4012;
const SET_PACKET_LOSS_PERC = 4014;
const SET_DTX = 4016;
const SET_BANDWIDTH = 4008;
const FULLBAND = 1105;
/** Known to libopus' own tests only. */
const SET_FORCE_MODE = 11_002;
const MODES = { silk: 1000, hybrid: 1001, celt: 1002 } as const;

export interface OpusEncoderOptions {
  /** Default 48000. */
  readonly sampleRateHz?: number;
  /** Default 1. */
  readonly channels?: number;
  /** Packets carry a copy of the frame before them. Default false. */
  readonly fec?: boolean;
  /** Silence is sent as packets of 1 or 2 bytes. Default false. */
  readonly dtx?: boolean;
  /** Default 24000. */
  readonly bitrateBps?: number;
}

type Control = (state: Uint8Array, request: number, type: 'int', value: number) => number;
type Encode = (state: Uint8Array, pcm: Int16Array, frame: number, out: Uint8Array, maxBytes: number) => number;

/** libopus' encoder, for tests only. */
export class OpusEncoder {
  readonly #state: Uint8Array;
  readonly #control: Control;
  readonly #encode: Encode;
  readonly #channels: number;

  constructor(options: OpusEncoderOptions = {}) {
    const library = koffi.load('libopus.so.0');
    this.#channels = options.channels ?? 1;
    const sizeBytes = library.func('int opus_encoder_get_size(int channels)')(this.#channels) as number;
    this.#state = Buffer.alloc(sizeBytes);
    const initialize = library.func('int opus_encoder_init(void *state, int32_t rate, int channels, int application)');
    const failed = initialize(this.#state, options.sampleRateHz ?? 48_000, this.#channels, APPLICATION_VOIP) as number;
    if (failed !== 0) throw new Error(`opus_encoder_init answered ${String(failed)}`);
    this.#control = library.func('int opus_encoder_ctl(void *state, int request, ...)') as Control;
    this.#set(SET_BITRATE, options.bitrateBps ?? 24_000);
    this.#set(SET_INBAND_FEC, options.fec ? 1 : 0);
    this.#set(SET_PACKET_LOSS_PERC, options.fec ? 20 : 0);
    this.#set(SET_DTX, options.dtx ? 1 : 0);
    this.#encode = library.func(
      'int opus_encode(void *state, const int16_t *pcm, int frame, uint8_t *out, int32_t max)',
    ) as Encode;
  }

  /** Goes on in this codec if the bit rate and the packets' length allow it, with all that can be heard. */
  force(mode: keyof typeof MODES): void {
    this.#set(SET_BANDWIDTH, FULLBAND);
    this.#set(SET_FORCE_MODE, MODES[mode]);
  }

  /** One packet from interleaved samples of 2.5 to 60 ms. */
  encode(pcm: Int16Array): Uint8Array {
    const out = Buffer.alloc(1500);
    const bytes = this.#encode(this.#state, pcm, pcm.length / this.#channels, out, out.length);
    if (bytes < 0) throw new Error(`opus_encode answered ${String(bytes)}`);
    return new Uint8Array(out.subarray(0, bytes));
  }

  #set(request: number, value: number): void {
    this.#control(this.#state, request, 'int', value);
  }
}

/** A sine over all of `samples`, mono. */
export function sine(samples: number, frequencyHz: number, sampleRateHz: number, amplitude = 8000): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * frequencyHz * i) / sampleRateHz)),
  );
}

/**
 * Something a speech codec takes for speech, without any two frames alike: harmonics of a gliding voice, in syllables of
 * 250 ms. Mono, deterministic.
 */
export function speechLike(samples: number, sampleRateHz: number): Int16Array {
  let phase = 0;
  return Int16Array.from({ length: samples }, (_, i) => {
    const seconds = i / sampleRateHz;
    phase += (2 * Math.PI * (140 + 40 * Math.sin(2 * Math.PI * 0.7 * seconds))) / sampleRateHz;
    let voice = 0;
    for (let harmonic = 1; harmonic <= 12; harmonic += 1) voice += Math.sin(harmonic * phase) / harmonic;
    return Math.round(6000 * voice * (0.55 - 0.45 * Math.cos(2 * Math.PI * 4 * seconds)));
  });
}

/** The packets of a stream: one each 20 ms of 48 kHz mono `pcm`, numbered from the given start. */
export function packetize(
  pcm: Int16Array,
  encoder: OpusEncoder,
  start: { sequenceNumber?: number; timestamp?: number; ssrc?: number } = {},
): RtpPacket[] {
  const packets: RtpPacket[] = [];
  for (let from = 0; from + 960 <= pcm.length; from += 960) {
    packets.push({
      ssrc: start.ssrc ?? 1,
      payloadType: 111,
      sequenceNumber: ((start.sequenceNumber ?? 0) + packets.length) & 0xffff,
      timestamp: ((start.timestamp ?? 0) + from) >>> 0,
      marker: from === 0,
      payload: encoder.encode(pcm.subarray(from, from + 960)),
    });
  }
  return packets;
}
