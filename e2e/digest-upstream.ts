import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ServerOptions, TestServer } from './server.ts';

/** Of the audio in a form: behind its header, up to the boundary. */
const HEADER_BYTES = 44;
const BYTES_PER_SECOND = 32_000;

/** A server of OpenAI's file API whose one word is the digest of the samples that it was sent: another sample is another word. */
export class DigestUpstream {
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const samples = samplesIn(Buffer.concat(chunks));
      const word = createHash('sha256').update(samples).digest('hex').slice(0, 12);
      const duration = samples.length / BYTES_PER_SECOND;
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ text: word, language: 'english', duration, words: [{ word, start: 0, end: duration }], segments: [] }));
    });
  });

  static async start(): Promise<DigestUpstream> {
    const upstream = new DigestUpstream();
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve));
    return upstream;
  }

  /** What makes a server recognize by this upstream. */
  get options(): ServerOptions {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
    return { env: { EARSHOT_RELAYS: JSON.stringify([{ id: 'digest', kind: 'openai', url, requiresKey: false, chunkSeconds: 60, connectMs: 60_000, answerMs: 60_000 }]) } };
  }

  close(): void {
    this.#server.close();
  }
}

/** A server that nobody but the upstream works for. */
export async function startWithDigests(upstream: DigestUpstream): Promise<TestServer> {
  const server = await TestServer.start(upstream.options);
  const policy = { allowed_backends: 'B', default_backend: 'B' };
  const answer = await fetch(`${server.url}/v1/modules/scaiecho/tenant-policy`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(policy),
  });
  if (!answer.ok) throw new Error(`the policy was refused: ${await answer.text()}`);
  return server;
}

function samplesIn(form: Buffer): Buffer {
  const start = form.indexOf('RIFF');
  const size = form.readUInt32LE(start + 40);
  return form.subarray(start + HEADER_BYTES, start + HEADER_BYTES + size);
}
