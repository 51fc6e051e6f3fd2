/** Expansion tables of G.711 (ITU-T Rec. G.711, 11/88): one code byte to 16-bit linear, full scale ±32124 (µ-law) and ±32256 (A-law). */

const MULAW_BIAS = 0x84;

export const MULAW_TO_LINEAR: Int16Array = Int16Array.from({ length: 256 }, (_, code) => expandMulaw(code));
export const ALAW_TO_LINEAR: Int16Array = Int16Array.from({ length: 256 }, (_, code) => expandAlaw(code));

/** All bits are sent inverted; sign, 3 bits of segment, 4 bits of step. */
function expandMulaw(code: number): number {
  const bits = ~code & 0xff;
  const segment = (bits >> 4) & 0x07;
  const magnitude = ((((bits & 0x0f) << 3) + MULAW_BIAS) << segment) - MULAW_BIAS;
  return bits & 0x80 ? -magnitude : magnitude;
}

/** Even bits are sent inverted; a set sign bit means positive. */
function expandAlaw(code: number): number {
  const bits = code ^ 0x55;
  const segment = (bits >> 4) & 0x07;
  const step = ((bits & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1);
  return bits & 0x80 ? magnitude : -magnitude;
}
