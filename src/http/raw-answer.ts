import type { Duplex } from 'node:stream';
import type { HttpRefusal } from '../../signaling/dialects/dialect.ts';

/** Refuses on a connection that has no answer of the HTTP server's to write to, and closes it. */
export function answerRaw(socket: Duplex, { status, headers, body }: HttpRefusal): void {
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${String(status)} Refused`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${String(Buffer.byteLength(text))}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}
