import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { transcribed } from './clients/rest.ts';
import { StreamClient } from './clients/stream.ts';
import type { Frame } from './clients/wire.ts';
import { TestServer } from './server.ts';
import { tellStory } from './spoken.ts';

const OPEN = { type: 'open', language_hint: 'en', media_type: 'audio/wav' };
const OPEN_LINE = Buffer.from(`${JSON.stringify(OPEN)}\n`);
const CLOSE_LINE = Buffer.from('{"type":"close"}\n');
const CHUNK_BYTES = 16_000;
/** What websocat reads of its standard input at a time. */
const STDIN_BLOCK_BYTES = 65_536;

function chunks(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

/** The clients that ScaiEcho's documentation shows, as they behave on the wire. */
describe("ScaiEcho's sample clients", () => {
  let server: TestServer;
  let audio: Buffer;
  let expected: string;

  before(async () => {
    server = await TestServer.start();
    audio = await readFile(await tellStory());
    expected = (await transcribed(server, audio)).transcript;
  });
  after(() => server.stop());

  function assertWhole(client: StreamClient): void {
    assert.equal(client.text, expected);
    const kinds = client.frames.map(({ type }) => type);
    assert.equal(kinds[0], 'ready');
    assert.equal(kinds.at(-1), 'closed');
    assert.equal(kinds.filter((kind) => kind === 'ready' || kind === 'closed' || kind === 'error').length, 2);
    assert.deepEqual(client.frames.at(-1), { ...client.frames.at(-1), type: 'closed', audio_bytes: audio.length });
  }

  it('Python: waits for ready before any audio, pushes it at once, reads until the socket closes', async () => {
    // websockets refuses server frames over 1 MiB and takes the key in the header.
    const headers = { authorization: `Bearer ${server.apiKey}` };
    const socket = new WebSocket(server.socketUrl('stream/transcribe'), { headers, maxPayload: 1024 * 1024 });
    const client = new StreamClient(socket);
    await once(socket, 'open');
    client.send(OPEN);
    const { job_id: jobId, session_id: sessionId, ...ready } = await client.frame('anything', () => true) as unknown as Record<string, unknown>;
    assert.deepEqual(ready, { type: 'ready', backend_used: 'A', model: 'pocketsphinx-en-us' });
    assert.match(String(jobId), /^job_/);
    assert.match(String(sessionId), /^ses_/);
    for (const chunk of chunks(audio, CHUNK_BYTES)) client.send(chunk);
    client.send({ type: 'close' });
    assert.equal(await client.closeCode(), 1000);
    assertWhole(client);
  });

  it('Node ws: two listeners, audio goes out without waiting for ready', async () => {
    const socket = new WebSocket(`${server.socketUrl('stream/transcribe')}?token=${server.apiKey}`);
    const client = new StreamClient(socket);
    socket.on('open', () => socket.send(JSON.stringify(OPEN)));
    socket.on('open', () => {
      for (const chunk of chunks(audio, CHUNK_BYTES)) socket.send(chunk);
      socket.send(JSON.stringify({ type: 'close' }));
    });
    assert.equal(await client.closeCode(), 1000);
    assertWhole(client);
  });

  describe('websocat -b: every frame is binary', () => {
    const layouts: readonly (readonly [string, () => Buffer[]])[] = [
      ['lines and audio in frames of their own', () => [OPEN_LINE, ...chunks(audio, STDIN_BLOCK_BYTES), CLOSE_LINE]],
      ['lines glued to the audio', () => chunks(Buffer.concat([OPEN_LINE, audio, CLOSE_LINE]), STDIN_BLOCK_BYTES)],
      ['all in one frame', () => [Buffer.concat([OPEN_LINE, audio, CLOSE_LINE])]],
      [
        'the opening line split over two frames',
        () => [OPEN_LINE.subarray(0, 9), Buffer.concat([OPEN_LINE.subarray(9), audio]), CLOSE_LINE],
      ],
      [
        'the closing line split over two frames',
        () => [OPEN_LINE, Buffer.concat([audio, CLOSE_LINE.subarray(0, 7)]), CLOSE_LINE.subarray(7)],
      ],
      [
        'the closing line split over many frames',
        () => [OPEN_LINE, Buffer.concat([audio, CLOSE_LINE.subarray(0, 1)]), ...chunks(CLOSE_LINE.subarray(1), 3)],
      ],
    ];
    for (const [name, frames] of layouts) {
      it(name, async () => {
        const client = await StreamClient.connect(server, `stream/transcribe?token=${server.apiKey}`);
        for (const frame of frames()) client.send(frame);
        assert.equal(await client.closeCode(), 1000);
        assertWhole(client);
      });
    }

    it('a closing line inside the audio is audio', async () => {
      const client = await StreamClient.connect(server);
      const silence = Buffer.alloc(32_000);
      const bytes = Buffer.concat([silence, CLOSE_LINE, Buffer.alloc(1), silence]);
      client.send({ ...OPEN, media_type: 'audio/pcm' });
      client.send(bytes);
      client.send({ type: 'close' });
      assert.equal(await client.closeCode(), 1000);
      assert.deepEqual(client.frames.at(-1), { ...client.frames.at(-1), type: 'closed', audio_bytes: bytes.length });
    });

    it('the end of its input closes the socket: the session still hears what was sent, and ends', async () => {
      const client = await StreamClient.connect(server);
      for (const frame of [OPEN_LINE, ...chunks(audio, STDIN_BLOCK_BYTES)]) client.send(frame);
      await client.frame('a final', (frame: Frame) => frame.type === 'delta' && frame.is_final);
      client.socket.close();
      await client.closeCode();
      await server.idle();
    });
  });
});
