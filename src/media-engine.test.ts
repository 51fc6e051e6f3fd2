import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import test from 'node:test';
import { loadConfig } from './config/config.ts';
import { createMediaEngine } from './media-engine.ts';

test('clients are told of a TURN server with credentials that expire, made anew for each; its secret stays here', async (context) => {
  const servers = [{ urls: 'stun:stun.example.net' }, { urls: ['turn:turn.example.net'], secret: 'north' }];
  const config = loadConfig({ EARSHOT_ICE_SERVERS: JSON.stringify(servers), EARSHOT_TURN_CREDENTIAL_SECONDS: '600', EARSHOT_MEDIA_ENGINE: 'werift', EARSHOT_MEDIA_THREADS: '0' });
  const { engine } = await createMediaEngine(config);
  context.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
  const told = (): unknown => structuredClone(engine.iceServers);
  const expected = (expires: number): unknown => {
    const username = `${String(expires)}:earshot`;
    return [servers[0], { urls: servers[1]?.urls, username, credential: createHmac('sha1', 'north').update(username).digest('base64') }];
  };
  assert.deepEqual(told(), expected(1_700_000_600));
  context.mock.timers.setTime(1_700_000_060_000);
  assert.deepEqual(told(), expected(1_700_000_660));
  assert.ok(!JSON.stringify(told()).includes('north'));
  await engine.close();
});
