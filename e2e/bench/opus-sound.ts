import koffi from 'koffi';

const SAMPLE_RATE_HZ = 48_000;
export const PACKET_MS = 20;
const PACKET_SAMPLES = (SAMPLE_RATE_HZ / 1000) * PACKET_MS;
const APPLICATION_VOIP = 2048;
const SET_BITRATE = 4002;
const SET_MAX_BANDWIDTH = 4004;
const WIDEBAND = 1103;
const BITRATE_BPS = 32_000;

type Encode = (state: Uint8Array, pcm: Int16Array, frame: number, out: Uint8Array, maxBytes: number) => number;

const SOUNDS = ['fullband', 'wideband'] as const;
/** What a browser sends: all that can be heard, or, if it was asked for no more (`maxplaybackrate=16000`), what there is up to 8 kHz. */
export type Sound = (typeof SOUNDS)[number];

export const isSound = (name: string): name is Sound => SOUNDS.some((sound) => sound === name);

/** Opus packets of 20 ms, at a browser's bit rate for speech, of something that a speech codec takes for speech. */
export function opusPackets(count: number, sound: Sound): Buffer[] {
  const library = koffi.load('libopus.so.0');
  const state = Buffer.alloc(library.func('int opus_encoder_get_size(int channels)')(1) as number);
  library.func('int opus_encoder_init(void *state, int32_t rate, int channels, int application)')(state, SAMPLE_RATE_HZ, 1, APPLICATION_VOIP);
  const control = library.func('int opus_encoder_ctl(void *state, int request, ...)');
  control(state, SET_BITRATE, 'int', BITRATE_BPS);
  if (sound === 'wideband') control(state, SET_MAX_BANDWIDTH, 'int', WIDEBAND);
  const encode = library.func('int opus_encode(void *state, const int16_t *pcm, int frame, uint8_t *out, int32_t max)') as Encode;
  const pcm = voice(count * PACKET_SAMPLES);
  return Array.from({ length: count }, (_, i) => {
    const out = Buffer.alloc(1275);
    const bytes = encode(state, pcm.subarray(i * PACKET_SAMPLES, (i + 1) * PACKET_SAMPLES), PACKET_SAMPLES, out, out.length);
    return Buffer.from(out.subarray(0, bytes));
  });
}

/** Harmonics of a gliding voice, in syllables of 250 ms. */
function voice(samples: number): Int16Array {
  let phase = 0;
  return Int16Array.from({ length: samples }, (_, i) => {
    const seconds = i / SAMPLE_RATE_HZ;
    phase += (2 * Math.PI * (140 + 40 * Math.sin(2 * Math.PI * 0.7 * seconds))) / SAMPLE_RATE_HZ;
    let sound = 0;
    for (let harmonic = 1; harmonic <= 12; harmonic += 1) sound += Math.sin(harmonic * phase) / harmonic;
    return Math.round(6000 * sound * (0.55 - 0.45 * Math.cos(2 * Math.PI * 4 * seconds)));
  });
}
