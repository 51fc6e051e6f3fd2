import type { Socket } from 'node:dgram';
import { endianness } from 'node:os';
import koffi from 'koffi';
import { Slab } from '../rtp/slab.ts';

/** Datagrams taken in one call: some milliseconds of work. */
const BATCH = 64;
/**
 * A socket that has told of two within this time, in ms, is not listened to but looked at so often, until nothing has come: to be woken for every datagram costs more than to take it.
 * A hundred callers send five in a millisecond.
 */
const REST_MS = 4;
/** Longer datagrams are no media, and are passed over: those of a usual network have 1500. */
const MAX_BYTES = 2048;
/** In the memory of Node's small buffers datagrams would lie beside what lives for long, and live as long. */
const datagrams = new Slab(16_384);
const ADDRESS_BYTES = 16;
/** `struct mmsghdr` and `struct iovec` of 64-bit Linux. */
const HEADER_BYTES = 64;
const VECTOR_BYTES = 16;
const HEADER_WORDS = HEADER_BYTES / 4;
const [NAME_BYTES_AT, FLAGS_AT, LENGTH_AT] = [2, 12, 14];

const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;

/** Its data belongs to who takes it. */
export type TakeDatagram = (data: Buffer, ipv4: number, port: number) => void;

type Receive = (fd: number, headers: bigint, count: number, flags: number, timeout: null) => number;

/**
 * Takes what else has come when a UDP socket of Node's has told of one datagram: all in one system call, where Node needs one for each and makes a new
 * 64 KiB buffer, an object and two strings besides. While they come fast the socket rests in between: {@link REST_MS}. IPv4. Answers what is to be called whenever
 * Node has told of one; undefined where there is no `recvmmsg`, or Node keeps its sockets elsewhere: Node then tells of all.
 */
export function datagramDrain(socket: Socket, take: TakeDatagram): (() => void) | undefined {
  const state = stateOf(socket);
  const { receive, memory } = (shared ??= bind()) ?? {};
  if (!state?.handle?.recvStart || !state.handle.recvStop || fdOf(state) === undefined || !receive || !memory) return undefined;
  let toldMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;

  /** Answers how many were there. Whoever took the last datagram may have closed the socket, and its number may be another's by now. */
  const takeBatch = (): number => {
    const fd = fdOf(state);
    if (fd === undefined) return 0;
    const count = receive(fd, memory.address, BATCH, MSG_DONTWAIT, null);
    for (let i = 0; i < count; i += 1) {
      const at = i * HEADER_WORDS;
      memory.words[at + NAME_BYTES_AT] = ADDRESS_BYTES;
      if (((memory.words[at + FLAGS_AT] ?? 0) & MSG_TRUNC) !== 0) continue;
      const bytes = memory.words[at + LENGTH_AT] ?? 0;
      take(copied(memory.bytes, dataAt(i), bytes), memory.bytes.readUInt32BE(nameAt(i) + 4), memory.bytes.readUInt16BE(nameAt(i) + 2));
    }
    return count;
  };
  const look = (): void => {
    const count = takeBatch();
    // What else has come waits until others had their turn.
    if (count === BATCH) setImmediate(look);
    else if (count > 0) timer?.refresh();
    else state.handle?.recvStart?.();
  };
  return () => {
    takeBatch();
    const nowMs = performance.now();
    const isBusy = nowMs - toldMs < REST_MS;
    toldMs = nowMs;
    if (!isBusy) return;
    state.handle?.recvStop?.();
    timer = timer?.refresh() ?? setTimeout(look, REST_MS);
  };
}

/** `a.b.c.d` as the number that {@link TakeDatagram} is given; undefined if it is another kind of address. */
export function ipv4Number(address: string): number | undefined {
  const parts = address.split('.').map(Number);
  return parts.length === 4 && parts.every((part) => part >= 0 && part < 256) ? Buffer.from(parts).readUInt32BE() : undefined;
}

export const ipv4Text = (ipv4: number): string => [ipv4 >>> 24, (ipv4 >>> 16) & 255, (ipv4 >>> 8) & 255, ipv4 & 255].join('.');

function copied(from: Buffer, start: number, bytes: number): Buffer {
  const at = datagrams.reserve(bytes);
  const data = Buffer.from(datagrams.memory, at, bytes);
  from.copy(data, 0, start, start + bytes);
  return data;
}

const vectorAt = (i: number): number => BATCH * HEADER_BYTES + i * VECTOR_BYTES;
const nameAt = (i: number): number => vectorAt(BATCH) + i * ADDRESS_BYTES;
const dataAt = (i: number): number => nameAt(BATCH) + i * MAX_BYTES;

interface Memory {
  readonly address: bigint;
  readonly bytes: Buffer;
  readonly words: Uint32Array;
}

/** One for all sockets: what a call brings is copied out before the next. `null`: there is none on this system. */
let shared: { readonly receive: Receive; readonly memory: Memory } | null | undefined;

function bind(): typeof shared {
  const isKnown = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch) && endianness() === 'LE';
  if (!isKnown) return null;
  try {
    const receive = koffi.load('libc.so.6').func('int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)') as Receive;
    return { receive, memory: allocate() };
  } catch {
    return null;
  }
}

/** An ordinary buffer, of a size that lies outside of V8's heap and stays where it is; it goes with its thread. */
function allocate(): Memory {
  const bytes = Buffer.alloc(dataAt(BATCH));
  const address = koffi.address(bytes);
  for (let i = 0; i < BATCH; i += 1) {
    const header = i * HEADER_BYTES;
    bytes.writeBigUInt64LE(address + BigInt(nameAt(i)), header);
    bytes.writeUInt32LE(ADDRESS_BYTES, header + 4 * NAME_BYTES_AT);
    bytes.writeBigUInt64LE(address + BigInt(vectorAt(i)), header + 16);
    bytes.writeBigUInt64LE(1n, header + 24);
    bytes.writeBigUInt64LE(address + BigInt(dataAt(i)), vectorAt(i));
    bytes.writeBigUInt64LE(BigInt(MAX_BYTES), vectorAt(i) + 8);
  }
  return { address, bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, BATCH * HEADER_WORDS) };
}

interface SocketState {
  readonly handle?: { readonly fd?: unknown; readonly recvStart?: () => void; readonly recvStop?: () => void } | null;
}

/** Node keeps it behind a symbol. */
function stateOf(socket: Socket): SocketState | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  return key && (socket as unknown as Record<symbol, SocketState | undefined>)[key];
}

/** Undefined of a socket that is closed. */
function fdOf({ handle }: SocketState): number | undefined {
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
