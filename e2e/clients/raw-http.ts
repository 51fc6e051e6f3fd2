import { once } from 'node:events';
import { connect } from 'node:net';
import { within } from '../eventually.ts';
import type { TestServer } from '../server.ts';

/** Sends bytes as they are over a TCP connection of their own; resolves with all that came back once the server has closed it. */
export async function exchange(server: TestServer, request: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  // A server that does not want to hear more may reset the connection; what it said counts.
  socket.on('error', () => undefined);
  socket.write(request);
  await within(`the server closes the connection; it said ${answer}`, once(socket, 'close'), 20_000).finally(() => socket.destroy());
  return answer;
}

/** The head of a request, with `Host` last so that it can be replaced. */
export function requestHead(line: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`${line} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
}
