import type { AudioFormat } from '../../src/core/audio.ts';
import { ALAW_TO_LINEAR, MULAW_TO_LINEAR } from './g711.ts';

/** How one sample lies in the bytes, little-endian. Integers are left-justified in their container, as WAV has them. */
export type SampleEncoding = NonNullable<AudioFormat['encoding']> | 'f64';

/** Reads one sample at `offset` (which must be in range) as 16-bit linear. */
export type SampleReader = (view: DataView, offset: number) => number;

export const BYTES_PER_SAMPLE: Readonly<Record<SampleEncoding, number>> = {
  u8: 1,
  s16: 2,
  s24: 3,
  s32: 4,
  f32: 4,
  f64: 8,
  mulaw: 1,
  alaw: 1,
};

/** Wider integers are rounded, floats (full scale ±1) clipped; NaN is silence. */
export const SAMPLE_READERS: Readonly<Record<SampleEncoding, SampleReader>> = {
  u8: (view, offset) => (view.getUint8(offset) - 128) << 8,
  s16: (view, offset) => view.getInt16(offset, true),
  s24: (view, offset) => Math.min(32767, (view.getUint8(offset) + 128 + (view.getInt16(offset + 1, true) << 8)) >> 8),
  s32: (view, offset) => Math.min(32767, ((view.getInt32(offset, true) >> 8) + 128) >> 8),
  f32: (view, offset) => fromFloat(view.getFloat32(offset, true)),
  f64: (view, offset) => fromFloat(view.getFloat64(offset, true)),
  mulaw: (view, offset) => MULAW_TO_LINEAR[view.getUint8(offset)]!,
  alaw: (view, offset) => ALAW_TO_LINEAR[view.getUint8(offset)]!,
};

/** Nearest 16-bit value, saturating. */
export function saturate(value: number): number {
  const rounded = Math.round(value);
  return rounded > 32767 ? 32767 : rounded < -32768 ? -32768 : rounded;
}

function fromFloat(value: number): number {
  return Number.isNaN(value) ? 0 : saturate(value * 32768);
}
