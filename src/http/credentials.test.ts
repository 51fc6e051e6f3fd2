import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { credentialsOf } from './credentials.ts';

const KEY = 'sgk_0123456789abcdef';

const request = (headers: IncomingHttpHeaders, url = '/', remoteAddress = '192.0.2.1') => ({ headers, url, socket: { remoteAddress } });

const secretOf = (headers: IncomingHttpHeaders, url?: string): string | undefined => credentialsOf(request(headers, url)).secret;

test('a native client sends its secret in the header or the query; the header counts', () => {
  assert.equal(secretOf({ authorization: `bearer ${KEY}` }), KEY);
  assert.equal(secretOf({}, `/x?a=b&token=${KEY}`), KEY);
  assert.equal(secretOf({ authorization: 'Bearer wrong' }, `/?token=${KEY}`), 'wrong');
  assert.equal(secretOf({}), undefined);
  assert.equal(secretOf({}, 'http://['), undefined);
});

test('a header that is not what the route takes is an empty secret, not none', () => {
  for (const authorization of [`Basic ${KEY}`, KEY, '', 'Bearer ', `Bearer ${KEY} ${KEY}`]) assert.equal(secretOf({ authorization }), '', authorization);
});

test('a protocol with another place for its secret names it', () => {
  const socket = request({ 'sec-websocket-protocol': `token, ${KEY}`, 'x-key': 'other' });
  assert.equal(credentialsOf(socket, ({ protocols }) => protocols[1]).secret, KEY);
  assert.equal(credentialsOf(socket, ({ headers }) => [headers['x-key']].flat()[0]).secret, 'other');
});

test('the client is who speaks, or whom a proxy on this machine met last', () => {
  const forwarded = { 'x-forwarded-for': '198.51.100.7, 203.0.113.9' };
  assert.equal(credentialsOf(request(forwarded, '/', '127.0.0.1')).address, '203.0.113.9');
  assert.equal(credentialsOf(request(forwarded, '/', '::ffff:127.0.0.1')).address, '203.0.113.9');
  assert.equal(credentialsOf(request(forwarded, '/', '192.0.2.1')).address, '192.0.2.1');
  assert.equal(credentialsOf(request({}, '/', '127.0.0.1')).address, '127.0.0.1');
});
