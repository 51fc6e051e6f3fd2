import type { AudioFormat } from '../../src/core/audio.ts';

/** A container known by its first bytes. */
export type Container = Exclude<AudioFormat['container'], 'auto' | 'raw' | 'opus-packets'>;

/** `incomplete`: too few bytes, but they could be the beginning of a known container. */
export type Detection = Container | 'incomplete' | 'unknown';

/** Bytes that are enough to tell. */
export const SNIFF_BYTES = 12;

interface Signature {
  readonly container: Container;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const signature = (container: Container, offset: number, text: string): Signature => ({
  container,
  offset,
  bytes: Uint8Array.from(text, (character) => character.charCodeAt(0)),
});

const SIGNATURES: readonly Signature[] = [
  signature('wav', 0, 'RIFF'),
  signature('wav', 0, 'RF64'),
  signature('flac', 0, 'fLaC'),
  signature('ogg', 0, 'OggS'),
  signature('webm', 0, '\x1a\x45\xdf\xa3'),
  signature('mp3', 0, 'ID3'),
  signature('mp4', 4, 'ftyp'),
  signature('mp4', 4, 'styp'),
  signature('mp4', 4, 'moov'),
  signature('mp4', 4, 'moof'),
];

/**
 * Looks at the first bytes of a stream, of which {@link SNIFF_BYTES} are enough. Whether RIFF holds WAVE, or an MP4 any audio, is for
 * their parsers to find out.
 */
export function detectContainer(head: Uint8Array): Detection {
  for (const { container, offset, bytes } of SIGNATURES) {
    if (head.length >= offset + bytes.length && startsWith(head.subarray(offset), bytes) && hasBoxSize(head, offset)) return container;
  }
  if (isMp3Frame(head)) return 'mp3';
  return couldBecomeKnown(head) ? 'incomplete' : 'unknown';
}

/** True while more bytes could still make the head a known container. */
function couldBecomeKnown(head: Uint8Array): boolean {
  if (head.length < 4 && head[0] === 0xff && (head.length < 2 || isLayer3Sync(head))) return true;
  return SIGNATURES.some(
    ({ offset, bytes }) => head.length < offset + bytes.length && startsWith(bytes, head.subarray(offset)) && hasBoxSize(head, offset),
  );
}

/** What stands before an MP4 box's type is its size, and the first box is never of 16 MiB. */
function hasBoxSize(head: Uint8Array, signatureOffset: number): boolean {
  return signatureOffset === 0 || (head[0] ?? 0) === 0;
}

/** The header of an MPEG-1, 2 or 2.5 Layer III frame (ISO/IEC 11172-3, 2.4.1.3) with legal bit rate and sample rate. */
function isMp3Frame(head: Uint8Array): boolean {
  if (head.length < 4 || head[0] !== 0xff || !isLayer3Sync(head)) return false;
  const rates = head[2]!;
  return rates >> 4 !== 0b1111 && ((rates >> 2) & 0b11) !== 0b11;
}

function isLayer3Sync(head: Uint8Array): boolean {
  const second = head[1]!;
  const versionIsReserved = ((second >> 3) & 0b11) === 0b01;
  return (second & 0xe0) === 0xe0 && !versionIsReserved && ((second >> 1) & 0b11) === 0b01;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}
