import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy whose connections can be cut at any moment, without a word to either side. */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Nothing of the server's reaches the client. */
  #deaf = false;
  /** Bytes of the clients' that still pass before all is cut. */
  #passing = Infinity;

  /** Listens on a free port of loopback, for a server at this address. */
  static async start(target: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(new URL(target));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  private constructor(target: URL) {
    this.#server = createServer((client) => {
      const server = connect(Number(target.port), target.hostname);
      for (const [from, to] of [[client, server], [server, client]] as const) {
        this.#sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.on('data', (data: Buffer) => {
          if (from === client) this.#forward(data, to);
          else if (!this.#deaf) to.write(data);
        });
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now until the next cut the client is heard, and hears nothing. */
  deafen(): void {
    this.#deaf = true;
  }

  /** Cuts once so many bytes of the clients' have passed: in the midst of a message, if it falls so. */
  cutWithin(bytes: number): void {
    this.#passing = bytes;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#deaf = false;
    this.#passing = Infinity;
  }

  #forward(data: Buffer, to: Socket): void {
    const passed = data.subarray(0, this.#passing);
    this.#passing -= passed.length;
    if (passed.length === data.length) {
      to.write(passed);
      return;
    }
    // What was written arrives all the same.
    to.end(passed, () => {
      this.cut();
    });
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
