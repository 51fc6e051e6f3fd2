/** How long a recording is, as far as its first and last bytes tell; `undefined` if they do not. Only for a progress bar. */
export function durationSeconds(head: Uint8Array<ArrayBuffer>, tail: Uint8Array<ArrayBuffer>, sizeBytes: number): number | undefined {
  try {
    const seconds = read(view(head), view(tail), sizeBytes);
    return seconds !== undefined && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
  } catch (error) {
    // A header that points beyond what was read.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** How much of each end of a file is worth reading, in bytes. */
export const PROBE_BYTES = 128 * 1024;

function read(head: DataView, tail: DataView, sizeBytes: number): number | undefined {
  if (hasText(head, 0, 'RIFF')) return wavSeconds(head, sizeBytes);
  if (hasText(head, 0, 'fLaC')) return flacSeconds(head);
  if (hasText(head, 0, 'OggS')) return oggSeconds(head, tail);
  if (hasText(head, 4, 'ftyp')) return mp4Seconds(head) ?? mp4Seconds(tail);
  return mp3Seconds(head, sizeBytes);
}

function wavSeconds(head: DataView, sizeBytes: number): number | undefined {
  let bytesPerSecond: number | undefined;
  for (let at = 12; ; ) {
    const length = head.getUint32(at + 4, true);
    if (hasText(head, at, 'fmt ')) bytesPerSecond = head.getUint32(at + 16, true);
    if (hasText(head, at, 'data')) return bytesPerSecond && Math.min(length, sizeBytes - at - 8) / bytesPerSecond;
    at += 8 + length + (length % 2);
  }
}

/** RFC 9639, section 8.2: 20 bits of sample rate and 36 bits of sample count in STREAMINFO. */
function flacSeconds(head: DataView): number {
  const rateHz = head.getUint32(18) >>> 12;
  const samples = (head.getUint8(21) & 15) * 2 ** 32 + head.getUint32(22);
  return samples / rateHz;
}

/** The granule position of the last page counts samples; always at 48 kHz for Opus (RFC 7845, section 4). */
function oggSeconds(head: DataView, tail: DataView): number | undefined {
  const lastPage = findText(tail, 'OggS', 'last');
  if (lastPage === undefined) return undefined;
  const granule = Number(tail.getBigInt64(lastPage + 6, true));
  if (hasText(head, 28, 'OpusHead')) return granule / 48_000;
  return hasText(head, 29, 'vorbis') ? granule / head.getUint32(40, true) : undefined;
}

function mp4Seconds(part: DataView): number | undefined {
  const at = findText(part, 'mvhd', 'first');
  if (at === undefined) return undefined;
  return part.getUint8(at + 4) === 1
    ? Number(part.getBigUint64(at + 28)) / part.getUint32(at + 24)
    : part.getUint32(at + 20) / part.getUint32(at + 16);
}

const MP3_V1_KBITS = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320] as const;
const MP3_V2_KBITS = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160] as const;
const MP3_RATES_HZ = [44_100, 48_000, 32_000] as const;

/** From the frame count that encoders put into the first frame, else as if the bit rate of that frame held throughout. */
function mp3Seconds(head: DataView, sizeBytes: number): number | undefined {
  const tagBytes = hasText(head, 0, 'ID3')
    ? 10 + [6, 7, 8, 9].reduce((sum, at) => sum * 128 + head.getUint8(at), 0)
    : 0;
  const header = head.getUint32(tagBytes);
  const isLayer3 = header >>> 21 === 0x7ff && ((header >>> 17) & 3) === 1;
  const isVersion1 = ((header >>> 19) & 3) === 3;
  const kbits = (isVersion1 ? MP3_V1_KBITS : MP3_V2_KBITS)[(header >>> 12) & 15];
  const fullRateHz = MP3_RATES_HZ[(header >>> 10) & 3];
  if (!isLayer3 || !kbits || !fullRateHz) return undefined;
  const rateHz = isVersion1 ? fullRateHz : ((header >>> 19) & 3) === 2 ? fullRateHz / 2 : fullRateHz / 4;
  const isMono = ((header >>> 6) & 3) === 3;
  const info = tagBytes + 4 + (isVersion1 ? (isMono ? 17 : 32) : isMono ? 9 : 17);
  const hasCount = (hasText(head, info, 'Xing') || hasText(head, info, 'Info')) && (head.getUint32(info + 4) & 1) === 1;
  if (hasCount) return (head.getUint32(info + 8) * (isVersion1 ? 1152 : 576)) / rateHz;
  return ((sizeBytes - tagBytes) * 8) / (kbits * 1000);
}

const view = (bytes: Uint8Array<ArrayBuffer>): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function hasText(part: DataView, at: number, text: string): boolean {
  if (at + text.length > part.byteLength) return false;
  for (let index = 0; index < text.length; index += 1) if (part.getUint8(at + index) !== text.charCodeAt(index)) return false;
  return true;
}

function findText(part: DataView, text: string, which: 'first' | 'last'): number | undefined {
  const last = part.byteLength - text.length;
  for (let step = 0; step <= last; step += 1) {
    const at = which === 'first' ? step : last - step;
    if (hasText(part, at, text)) return at;
  }
  return undefined;
}
