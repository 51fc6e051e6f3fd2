import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../../core/testing/eventually.ts';

/** Somebody else's server: it has one file under every path, and keeps what is posted to it, which is JSON. */
export interface Remote {
  readonly url: string;
  /** The body of what was posted to a path, once it is there. */
  told(path: string): Promise<unknown>;
  close(): void;
}

export async function startRemote(file: Uint8Array): Promise<Remote> {
  const received = new Map<string | undefined, unknown>();
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.end(file);
      return;
    }
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      received.set(request.url, JSON.parse(body));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    told: async (path) => {
      await eventually(() => received.has(path));
      return received.get(path);
    },
    close: () => server.close(),
  };
}
