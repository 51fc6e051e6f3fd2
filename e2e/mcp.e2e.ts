import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { WebSocket } from 'ws';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

describe('an assistant with the official client', () => {
  let server: TestServer;
  let client: Client;
  let story: Buffer;

  before(async () => {
    server = await TestServer.start();
    story = await readFile(await tellStory());
    client = new Client({ name: 'e2e', version: '1' });
    const headers = { authorization: `Bearer ${server.apiKey}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`), { requestInit: { headers } }));
  });
  after(async () => {
    await client.close();
    await server.stop();
  });

  async function call(name: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const result = (await client.callTool({ name, arguments: args }, undefined, { timeout: 180_000 })) as CallToolResult;
    assert.ok(result.isError !== true, JSON.stringify(result.content));
    return result.structuredContent ?? {};
  }

  it('transcribes a file, finds it again, and lists speakers', async () => {
    const { transcript, job_id: id } = await call('transcribe', { audio: story.toString('base64') });
    assert.ok(wordErrors(STORY, String(transcript)).rate <= MAX_WORD_ERROR_RATE, String(transcript));
    assert.equal((await call('get_job', { job_id: id }))['status'], 'completed');
    assert.ok(((await call('list_jobs'))['jobs'] as { job_id: string }[]).some(({ job_id: each }) => each === id));
    const query = String(transcript).split(' ').slice(0, 3).join(' ');
    assert.ok(((await call('search_transcripts', { query }))['results'] as { job_id: string }[]).some(({ job_id: each }) => each === id));
    assert.deepEqual((await call('list_speakers'))['speakers'], []);
  });

  it('reads what is said while it is said', async () => {
    const socket = new WebSocket(server.socketUrl('stream/transcribe'));
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'open', media_type: 'audio/wav' }));
    socket.send(story);
    let text = '';
    const [session] = await eventually('the session is listed', async () => {
      const { sessions } = await call('list_live_sessions');
      const list = sessions as { session_id: string }[];
      return list.length > 0 ? list : undefined;
    });
    await eventually(
      'the first sentence is heard',
      async () => {
        text = String((await call('read_live_session', { session_id: session?.session_id }))['transcript']);
        return text.split(' ').length > 5;
      },
      { timeoutMs: 60_000 },
    );
    socket.send(JSON.stringify({ type: 'close' }));
    await once(socket, 'close');
    await eventually('it goes on no more', async () => ((await call('list_live_sessions'))['sessions'] as unknown[]).length === 0);
  });
});
