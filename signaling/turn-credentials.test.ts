import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import test from 'node:test';
import { clientIceServers } from './turn-credentials.ts';

test('a server with a secret is told with credentials that expire, and never with its secret', () => {
  const [server] = clientIceServers([{ urls: 'turn:turn.example.net', secret: 'north' }], 1_700_000_000_999, 3600);
  const username = '1700003600:earshot';
  assert.deepEqual(server, { urls: 'turn:turn.example.net', username, credential: createHmac('sha1', 'north').update(username).digest('base64') });
});

test('servers without one are told as they are', () => {
  const servers = [{ urls: ['stun:a', 'stun:b'] }, { urls: 'turn:c', username: 'u', credential: 'p' }];
  assert.deepEqual(clientIceServers(servers, 0, 3600), servers);
});
