/** A process full of viewers, as bare as they can be, so that what is measured is the server. Told what to do by `viewers.ts`. */
import { connect, type Socket } from 'node:net';

/** How a session is read. */
export type ViewerKind = 'sse' | 'websocket';

export interface OpenViewers {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly kind: ViewerKind;
  readonly count: number;
}

export type ViewerReport =
  | { readonly type: 'joined' }
  /** When each event came to each viewer, in ms since 1970, by its number; and how many viewers were let go in the end. */
  | { readonly type: 'seen'; readonly events: readonly (readonly [seq: number, atMs: readonly number[]])[]; readonly ended: number };

/** Connections that are opened at a time. */
const OPENING = 50;
/** An event's number may lie on both sides of a cut between two pieces of the stream. */
const OVERLAP_CHARACTERS = 32;
const NUMBERS: Readonly<Record<ViewerKind, RegExp>> = { sse: /(?:^|\n)id: (\d+)\n/g, websocket: /"seq":(\d+),/g };

const arrivals = new Map<number, number[]>();
let ended = 0;

async function openAll(wish: OpenViewers): Promise<void> {
  for (let left = wish.count; left > 0; left -= OPENING) await Promise.all(Array.from({ length: Math.min(OPENING, left) }, () => join(wish)));
  process.send?.({ type: 'joined' } satisfies ViewerReport);
}

/** Resolves when the first of the session's events is there. */
async function join({ host, port, path, kind, count }: OpenViewers): Promise<void> {
  const socket = connect(port, host).setNoDelay(true);
  const upgrade = kind === 'websocket' ? 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n' : '';
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}:${String(port)}\r\n${upgrade}\r\n`);
  await new Promise<void>((resolve, reject) => {
    socket.once('data', (data) => {
      const status = data.toString('latin1', 9, 12);
      if (status === (kind === 'sse' ? '200' : '101')) resolve();
      else reject(new Error(`a viewer was answered ${status}`));
    });
    socket.once('error', reject);
  });
  watch(socket, NUMBERS[kind]);
  socket.on('error', () => undefined).once('close', () => {
    ended += 1;
    if (ended < count) return;
    process.send?.({ type: 'seen', events: [...arrivals], ended } satisfies ViewerReport, () => process.disconnect?.());
  });
}

function watch(socket: Socket, numbers: RegExp): void {
  let last = 0;
  let tail = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    const atMs = performance.timeOrigin + performance.now();
    const text = tail + chunk;
    for (const [, digits] of text.matchAll(numbers)) {
      const seq = Number(digits);
      if (seq <= last) continue;
      last = seq;
      const times = arrivals.get(seq);
      if (times) times.push(atMs);
      else arrivals.set(seq, [atMs]);
    }
    tail = text.slice(-OVERLAP_CHARACTERS);
    // The server's close frame, unanswered by so bare a viewer; or the last chunk of the body.
    if (text.includes('"type":"closed"')) setTimeout(() => socket.end(), 100);
  });
}

process.once('message', (wish: OpenViewers) => {
  openAll(wish).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
