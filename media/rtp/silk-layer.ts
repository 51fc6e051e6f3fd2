import { RangeReader } from './range-reader.ts';
import * as silk from './silk-tables.ts';

const SUBFRAMES_OF_20_MS = 4;
const BLOCKS_OF_SUBFRAME = 5;
const PLACES_OF_BLOCK = 16;
/** A block has `2 << 3` places. */
const BLOCK_LEVEL = 3;
/** Of a frame with voice activity (RFC 6716, section 4.2.7.3). */
const FIRST_ACTIVE_TYPE = 2;
const VOICED = 2;

/** Configurations of the table of contents (section 3.1). */
const FIRST_HYBRID = 12;
const FIRST_CELT = 16;
/** SILK alone, up to 8 kHz, in frames of 10 ms; those of 20 ms are the next. */
const SILK_WIDEBAND = 8;
/** Stereo, or not one frame. */
const NOT_PLAIN = 0b111;
/** Below it a packet says that nothing is sent. */
const MIN_BYTES = 3;
/** The bit that tells of a redundant frame is looked for where so many bits are left, and is set once in 2^12 (section 4.5.1.1). */
const REDUNDANCY_BITS = 37;
const REDUNDANCY_LOG = 12;

/** One for all: a packet is read in one go. Of each block: its pulses, how many lower bits they have besides, and where they are, a bit for each place. */
const reader = new RangeReader(silk.RANGES);
const counts: number[] = new Array<number>(SUBFRAMES_OF_20_MS * BLOCKS_OF_SUBFRAME).fill(0);
const lowerBits: number[] = counts.map(() => 0);
const places: number[] = counts.map(() => 0);

/**
 * What a hybrid packet holds up to 8 kHz, as a packet of its own. Above that it has a second codec, CELT, which a decoder at 16 kHz runs for nothing: half of
 * its work. SILK's part must be read to be told from it, which is a quarter.
 *
 *     TOC hybrid | SILK | CELT   ->   TOC SILK wideband | SILK, ended anew
 *
 * Puts it into `to` and answers its bytes. 0 for packets that are not one hybrid frame of one channel, for those with a redundant frame, which change from one
 * codec to the other, and for what is malformed: those are decoded as they are.
 */
export function silkLayer(packet: Uint8Array, to: Uint8Array): number {
  const toc = packet[0] ?? 0;
  const configuration = toc >> 3;
  if (configuration < FIRST_HYBRID || configuration >= FIRST_CELT || (toc & NOT_PLAIN) !== 0) return 0;
  if (packet.length < MIN_BYTES || packet.length > to.length) return 0;
  const is20Ms = configuration & 1;
  reader.start(packet, 1);
  readPacket(is20Ms ? SUBFRAMES_OF_20_MS : SUBFRAMES_OF_20_MS / 2);
  const leftBits = 8 * packet.length - reader.bits;
  if (leftBits < 0) return 0;
  const bytes = reader.cut(to);
  to[0] = (SILK_WIDEBAND + is20Ms) << 3;
  const hasRedundancy = leftBits >= REDUNDANCY_BITS && reader.isSet(REDUNDANCY_LOG);
  return hasRedundancy ? 0 : bytes;
}

/** Sections 4.2.3 to 4.2.6: the copy of the frame before comes first. */
function readPacket(subframes: number): void {
  const isActive = reader.isSet(1);
  const hasCopy = reader.isSet(1);
  if (hasCopy) readFrame(true, subframes);
  readFrame(isActive, subframes);
}

/** Section 4.2.7; all frames here are the first of their packet. */
function readFrame(isActive: boolean, subframes: number): void {
  const type = isActive ? FIRST_ACTIVE_TYPE + reader.symbol(silk.ACTIVE_FRAME_TYPE) : reader.symbol(silk.SILENT_FRAME_TYPE);
  const signal = type >> 1;
  const isVoiced = signal === VOICED;
  readGains(signal, subframes);
  readSpectrum(isVoiced, subframes);
  if (isVoiced) readPitch(subframes);
  reader.symbol(silk.SEED);
  readExcitation(type, subframes * BLOCKS_OF_SUBFRAME);
}

function readGains(signal: number, subframes: number): void {
  reader.symbol(silk.GAIN[signal] ?? 0);
  reader.symbol(silk.GAIN_LOW_BITS);
  for (let i = 1; i < subframes; i += 1) reader.symbol(silk.GAIN_DELTA);
}

function readSpectrum(isVoiced: boolean, subframes: number): void {
  const vector = reader.symbol(silk.LSF_VECTOR[isVoiced ? 1 : 0] ?? 0);
  for (let i = 0; i < silk.LSF_COEFFICIENTS; i += 1) {
    const residual = reader.symbol(silk.LSF_RESIDUAL[vector * silk.LSF_COEFFICIENTS + i] ?? 0);
    if (residual === 0 || residual === silk.LSF_GREATEST) reader.symbol(silk.LSF_EXTENSION);
  }
  if (subframes === SUBFRAMES_OF_20_MS) reader.symbol(silk.LSF_INTERPOLATION);
}

function readPitch(subframes: number): void {
  reader.symbol(silk.PITCH_LAG);
  reader.symbol(silk.PITCH_LAG_LOW_BITS);
  reader.symbol(subframes === SUBFRAMES_OF_20_MS ? silk.PITCH_CONTOUR_20_MS : silk.PITCH_CONTOUR_10_MS);
  const filter = silk.LTP_FILTER[reader.symbol(silk.LTP_PERIODICITY)] ?? 0;
  for (let i = 0; i < subframes; i += 1) reader.symbol(filter);
  reader.symbol(silk.LTP_SCALE);
}

/** Section 4.2.7.8: how many pulses each block has, where they are, their lower bits, their signs. */
function readExcitation(type: number, blocks: number): void {
  const rate = silk.PULSES[reader.symbol(silk.RATE_LEVEL[type >> 2] ?? 0)] ?? 0;
  for (let block = 0; block < blocks; block += 1) readCount(block, rate);
  for (let block = 0; block < blocks; block += 1) places[block] = readPlaces(0, BLOCK_LEVEL, counts[block] ?? 0);
  for (let block = 0; block < blocks; block += 1) readLowerBits(block);
  for (let block = 0; block < blocks; block += 1) {
    const sign = silk.SIGN[type]?.[Math.min(counts[block] ?? 0, silk.MOST_PULSES_OF_SIGN)] ?? 0;
    for (let rest = places[block] ?? 0; rest !== 0; rest &= rest - 1) reader.bit(sign);
  }
}

function readCount(block: number, rate: number): void {
  let count = reader.symbol(rate);
  let bits = 0;
  while (count === silk.MORE_BITS) {
    bits += 1;
    count = reader.symbol((silk.PULSES.at(-1) ?? 0) + (bits === silk.MOST_BITS ? 1 : 0));
  }
  counts[block] = count;
  lowerBits[block] = bits;
}

/** Of `2 << level` places from `at` on: how many pulses the first half has, and so on in each half. Answers the places that have any, a bit for each. */
function readPlaces(at: number, level: number, count: number): number {
  if (count === 0) return 0;
  if (count === 1) return 1 << readPlace(at, level);
  const first = reader.symbol(silk.FIRST_HALF[level]?.[count] ?? 0);
  if (level === 0) return ((first > 0 ? 1 : 0) | (first < count ? 2 : 0)) << at;
  return readPlaces(at, level - 1, first) | readPlaces(at + (1 << level), level - 1, count - first);
}

/** The same of one pulse: where it is. */
function readPlace(from: number, level: number): number {
  let at = from;
  for (let half = level; half >= 0; half -= 1) at += (1 - reader.bit(silk.FIRST_HALF[half]?.[1] ?? 0)) << half;
  return at;
}

/** Where no pulse was there is one if any of its lower bits is set. */
function readLowerBits(block: number): void {
  const bits = lowerBits[block] ?? 0;
  if (bits === 0) return;
  for (let at = 0; at < PLACES_OF_BLOCK; at += 1) {
    for (let bit = 0; bit < bits; bit += 1) places[block] = (places[block] ?? 0) | (reader.bit(silk.LOWER_BIT) << at);
  }
}
