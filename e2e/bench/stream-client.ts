import { createReadStream } from 'node:fs';
import path from 'node:path';
import { WebSocket } from 'ws';

/** The settled words of one stream. */
export interface StreamResult {
  /** Text per lane, by lane index; a lane without words is missing. */
  readonly laneTexts: ReadonlyMap<number, string>;
}

const CHUNK_BYTES = 16_000;
const MAX_BUFFERED_BYTES = 256 * 1024;

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
  '.flac': 'audio/flac',
  '.ogg': 'audio/ogg',
  '.m4a': 'audio/mp4',
  '.webm': 'audio/webm',
};

interface ServerMessage {
  readonly type: string;
  readonly is_final?: boolean;
  readonly lane?: number;
  readonly text?: string;
  readonly code?: string;
  readonly message?: string;
}

/** Streams a file through the server's WebSocket as fast as it is taken, and collects the finals. */
export async function transcribeByWebSocket(serverUrl: string, file: string): Promise<StreamResult> {
  const socket = new WebSocket(`${serverUrl.replace(/^http/, 'ws')}/v1/modules/scaiecho/stream/transcribe`);
  const texts = new Map<number, string[]>();
  const finished = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as ServerMessage;
      if (message.type === 'error') reject(new Error(`${message.code ?? ''}: ${message.message ?? ''}`));
      if (message.type !== 'delta' || message.is_final !== true) return;
      const lane = message.lane ?? 0;
      texts.set(lane, [...(texts.get(lane) ?? []), message.text ?? '']);
    });
    socket.on('close', (code) => {
      if (code === 1000) resolve();
      else reject(new Error(`the server closed with ${String(code)}`));
    });
  });
  const sent = send(socket, file);
  await Promise.all([finished, sent]).finally(() => socket.terminate());
  return { laneTexts: new Map([...texts].map(([lane, parts]) => [lane, parts.join(' ')])) };
}

async function send(socket: WebSocket, file: string): Promise<void> {
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const mediaType = MEDIA_TYPES[path.extname(file)] ?? 'audio/wav';
  socket.send(JSON.stringify({ type: 'open', media_type: mediaType, language_hint: 'en' }));
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
    const flushed = new Promise((resolve) => socket.send(chunk as Buffer, resolve));
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) await flushed;
  }
  socket.send(JSON.stringify({ type: 'close' }));
}
