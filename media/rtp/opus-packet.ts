/**
 * What an Opus packet tells without being decoded: its table-of-contents byte (RFC 6716, section 3.1), its framing
 * (section 3.2) and the header bits of its SILK layer (section 4.2.3).
 */

/** A packet holds at most 120 ms (RFC 6716, section 3.4, requirement R5). */
const MAX_PACKET_TICKS = 5760;

/** Frame sizes in 48 kHz samples by configuration number: SILK 10 20 40 60, hybrid 10 20, CELT 2.5 5 10 20 ms. */
const SILK_FRAME_TICKS = [480, 960, 1920, 2880] as const;
const HYBRID_FRAME_TICKS = [480, 960] as const;
const CELT_FRAME_TICKS = [120, 240, 480, 960] as const;

/** A sender in discontinuous transmission marks the silence with packets of at most this many bytes. */
const MAX_DTX_BYTES = 2;

/** Duration of one frame of the packet, in ticks of the 48 kHz RTP clock. */
export function opusFrameTicks(payload: Uint8Array): number {
  const configuration = (payload[0] ?? 0) >> 3;
  if (configuration < 12) return SILK_FRAME_TICKS[configuration & 3] ?? 960;
  if (configuration < 16) return HYBRID_FRAME_TICKS[configuration & 1] ?? 960;
  return CELT_FRAME_TICKS[configuration & 3] ?? 960;
}

/** Duration of the whole packet in ticks of the 48 kHz RTP clock; undefined if it cannot be an Opus packet. */
export function opusPacketTicks(payload: Uint8Array): number | undefined {
  const toc = payload[0];
  if (toc === undefined) return undefined;
  const frames = frameCount(payload, toc & 3);
  const ticks = frames * opusFrameTicks(payload);
  return frames > 0 && ticks <= MAX_PACKET_TICKS ? ticks : undefined;
}

/** Does the packet only say that silence goes on? */
export const isDtxPacket = (payload: Uint8Array): boolean => payload.length <= MAX_DTX_BYTES;

/**
 * Does the packet carry a low-bitrate copy of the frame before it (in-band FEC)? Only SILK and hybrid packets can.
 * After the voice activity flags of the frames (one each 20 ms) stands the flag of the copy, per channel.
 */
export function opusPacketHasFec(payload: Uint8Array): boolean {
  const toc = payload[0];
  if (toc === undefined || toc >> 3 >= 16) return false;
  const offset = firstFrameOffset(payload, toc & 3);
  const header = offset === undefined ? undefined : payload[offset];
  if (header === undefined) return false;
  const silkFrames = Math.max(1, opusFrameTicks(payload) / 960);
  const middle = (header >> (7 - silkFrames)) & 1;
  const isStereo = (toc & 4) !== 0;
  const side = isStereo && silkFrames < 4 ? (header >> (6 - 2 * silkFrames)) & 1 : 0;
  return middle === 1 || side === 1;
}

function frameCount(payload: Uint8Array, code: number): number {
  switch (code) {
    case 0:
      return 1;
    case 1:
    case 2:
      return 2;
    default:
      return (payload[1] ?? 0) & 0x3f;
  }
}

/** Where the first frame's bytes begin, or undefined when the framing is cut short. */
function firstFrameOffset(payload: Uint8Array, code: number): number | undefined {
  if (code < 2) return 1;
  if (code === 2) return lengthFieldEnd(payload, 1);
  const head = payload[1];
  if (head === undefined) return undefined;
  let offset = 2;
  if ((head & 0x40) !== 0) {
    let padding: number | undefined;
    do {
      padding = payload[offset];
      offset += 1;
    } while (padding === 255);
    if (padding === undefined) return undefined;
  }
  const isVariable = (head & 0x80) !== 0;
  for (let field = 1; isVariable && field < (head & 0x3f); field += 1) offset = lengthFieldEnd(payload, offset);
  return offset;
}

const lengthFieldEnd = (payload: Uint8Array, offset: number): number =>
  offset + ((payload[offset] ?? 0) >= 252 ? 2 : 1);
