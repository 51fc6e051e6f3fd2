import { opusPacketTicks } from './opus-packet.ts';
import type { RtpPacket } from './packet.ts';

/** What a packet of redundant audio holds. */
export interface RedPayload {
  readonly primary: RtpPacket;
  /** Packets before it, oldest first. */
  readonly copies: readonly RtpPacket[];
}

/** Copies beyond these are not looked at: senders carry one or two. */
const MAX_COPIES = 8;

interface Block {
  readonly payloadType: number;
  readonly offsetTicks: number;
  readonly payload: Uint8Array;
}

/**
 * Takes redundant audio apart (RFC 2198, section 3). Undefined if it is malformed. Pure.
 *
 * A copy has a time and no sequence number. Where it lies whole packets of its own length before the primary it has the number
 * of that packet; else, after DTX, copies are the packets directly before the primary.
 */
export function readRed(packet: RtpPacket): RedPayload | undefined {
  const blocks = readBlocks(packet.payload);
  const last = blocks?.pop();
  if (!blocks || !last) return undefined;
  const primary = { ...packet, payloadType: last.payloadType, payload: last.payload };
  const ticks = opusPacketTicks(last.payload);
  const copies = blocks.map(({ payloadType, offsetTicks, payload }, index) => {
    const isEven = ticks !== undefined && offsetTicks % ticks === 0 && opusPacketTicks(payload) === ticks;
    const distance = isEven && offsetTicks / ticks <= MAX_COPIES ? offsetTicks / ticks : blocks.length - index;
    return {
      ...packet,
      payloadType,
      payload,
      marker: false,
      sequenceNumber: (packet.sequenceNumber - distance) & 0xffff,
      timestamp: (packet.timestamp - offsetTicks) >>> 0,
    };
  });
  // A sender that has nothing to repeat yet, or any more, sends empty blocks.
  return { primary, copies: copies.filter(({ payload }) => payload.length > 0) };
}

function readBlocks(payload: Uint8Array): Block[] | undefined {
  const heads: { payloadType: number; offsetTicks: number; length: number }[] = [];
  let at = 0;
  for (;;) {
    const first = payload[at];
    if (first === undefined) return undefined;
    if ((first & 0x80) === 0) break;
    if (heads.length === MAX_COPIES || at + 4 > payload.length) return undefined;
    const [high = 0, middle = 0, low = 0] = payload.subarray(at + 1, at + 4);
    heads.push({ payloadType: first & 0x7f, offsetTicks: (high << 6) | (middle >> 2), length: ((middle & 3) << 8) | low });
    at += 4;
  }
  const primaryType = (payload[at] ?? 0) & 0x7f;
  at += 1;
  const blocks: Block[] = [];
  for (const { payloadType, offsetTicks, length } of heads) {
    if (at + length > payload.length) return undefined;
    blocks.push({ payloadType, offsetTicks, payload: payload.subarray(at, at + length) });
    at += length;
  }
  blocks.push({ payloadType: primaryType, offsetTicks: 0, payload: payload.subarray(at) });
  return blocks;
}
