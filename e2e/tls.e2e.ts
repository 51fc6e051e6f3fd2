import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { API, TestServer } from './server.ts';

/** Opens and closes a stream, and asks for a WebRTC session; prints the types of the frames and the control address. */
const CLIENT = `
import { WebSocket } from 'ws';
const [url, api] = process.argv.slice(1);
while (!(await fetch(url + '/readyz')).ok) await new Promise((resolve) => setTimeout(resolve, 200));
const created = await (await fetch(url + api + '/webrtc/sessions', { method: 'POST' })).json();
const socket = new WebSocket(url.replace('https', 'wss') + api + '/stream/transcribe');
const types = [];
socket.on('open', () => { socket.send('{"type":"open"}'); socket.send('{"type":"close"}'); });
socket.on('message', (data) => types.push(JSON.parse(data).type));
await new Promise((resolve) => socket.on('close', resolve));
console.log(JSON.stringify({ types, control: created.data.control_url }));
process.exit(0);
`;

describe('--tls', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start({ args: ['--tls'], untilReady: false });
  });
  after(() => server.stop());

  const run = async (env: Readonly<Record<string, string>>): Promise<string> => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', CLIENT, server.url, API], {
      cwd: path.resolve(import.meta.dirname, '..'),
      env: { ...process.env, ...env },
      timeout: 90_000,
    });
    return stdout;
  };

  it('serves https and wss to a client that was told to trust the certificate', async () => {
    const [, certificate = ''] = /Certificate\s+(\S+)/.exec(server.process.stdout) ?? [];
    assert.match(server.url, /^https:/);
    const { types, control } = JSON.parse(await run({ NODE_EXTRA_CA_CERTS: certificate })) as { types: string[]; control: string };
    assert.deepEqual([types[0], types.length > 1], ['ready', true]);
    assert.match(control, /^wss:/);
  });

  it('no other client takes it', async () => {
    await assert.rejects(run({ NODE_EXTRA_CA_CERTS: '' }), /self-signed certificate|DEPTH_ZERO_SELF_SIGNED_CERT|fetch failed/);
  });
});
