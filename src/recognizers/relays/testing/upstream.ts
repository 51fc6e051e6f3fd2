import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WebSocket} from 'ws';
import { WebSocketServer } from 'ws';

export interface Upstream {
  readonly url: string;
  /** Headers and path of every request and upgrade. */
  readonly seen: { readonly url: string; readonly headers: http.IncomingHttpHeaders }[];
  readonly sockets: ReadonlySet<WebSocket>;
  close(): Promise<void>;
}

export interface UpstreamBehaviour {
  readonly request?: (request: http.IncomingMessage, response: http.ServerResponse, body: Buffer) => void | Promise<void>;
  /** Status that refuses an upgrade, with headers. */
  readonly refuse?: () => { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | undefined;
  readonly socket?: (socket: WebSocket) => void;
}

/** A server on loopback that behaves as it is told. */
export async function startUpstream(behaviour: UpstreamBehaviour): Promise<Upstream> {
  const seen: { url: string; headers: http.IncomingHttpHeaders }[] = [];
  const server = http.createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers });
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => void behaviour.request?.(request, response, Buffer.concat(parts)));
  });
  const webSockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    seen.push({ url: request.url ?? '', headers: request.headers });
    const refusal = behaviour.refuse?.();
    if (refusal) {
      const headers = Object.entries({ 'content-length': '0', ...refusal.headers }).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(`HTTP/1.1 ${String(refusal.status)} No\r\n${headers.join('')}\r\n`);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => undefined);
      behaviour.socket?.(webSocket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    seen,
    sockets: webSockets.clients,
    close: async () => {
      for (const client of webSockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A form as it was posted: its fields, and the bytes of its file. */
export interface PostedForm {
  readonly fields: ReadonlyMap<string, string>;
  readonly file: Buffer;
}

export function formOf(request: http.IncomingMessage, body: Buffer): PostedForm {
  const boundary = /boundary=(?<boundary>[^;]+)/.exec(request.headers['content-type'] ?? '')?.groups?.['boundary'] ?? '';
  const fields = new Map<string, string>();
  let file = Buffer.alloc(0);
  for (const part of body.toString('latin1').split(`--${boundary}`).slice(1, -1)) {
    const head = part.indexOf('\r\n\r\n');
    const value = part.slice(head + 4, -2);
    const name = / name="(?<name>[^"]+)"/.exec(part.slice(0, head))?.groups?.['name'] ?? '';
    if (part.slice(0, head).includes('filename=')) file = Buffer.from(value, 'latin1');
    else fields.set(name, value);
  }
  return { fields, file };
}

export function answerJson(response: http.ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
