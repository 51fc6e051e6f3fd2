import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isPublicAddress, networks } from './addresses.ts';

test('addresses of the public internet are public', () => {
  for (const address of ['1.1.1.1', '8.8.8.8', '172.15.255.255', '172.32.0.1', '100.63.255.255', '223.255.255.255', '2606:4700::1111', '2a00:1450:4001::1']) {
    assert.ok(isPublicAddress(address), address);
  }
});

test('loopback, private, link-local, shared, documentation, multicast and reserved ones are not', () => {
  const list = ['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.168.1.1', '198.18.0.1', '203.0.113.7', '224.0.0.1', '255.255.255.255'];
  for (const address of [...list, '::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fdff::1', 'fec0::1', 'ff02::1', '2001:db8::1', '100::1']) {
    assert.ok(!isPublicAddress(address), address);
  }
});

test('an IPv4 address inside an IPv6 one is never public: mapped, compatible, NAT64, 6to4, Teredo', () => {
  for (const address of ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001:0:7f00:1::']) {
    assert.ok(!isPublicAddress(address), address);
  }
});

test('what is no address is not public', () => {
  fc.assert(fc.property(fc.string(), (text) => !isPublicAddress(text) || /^[0-9a-f:.]+$/i.test(text)), { numRuns: 300 });
  for (const text of ['', 'localhost', '0x7f.1', '2130706433', '127.1', '1.1.1.1 ', '[::1]']) assert.ok(!isPublicAddress(text), text);
});

test('a network is an address, with or without its length', () => {
  const list = networks(['10.0.0.0/8', '127.0.0.1', 'fd00::/8']);
  assert.deepEqual(['10.9.9.9', '127.0.0.1', '127.0.0.2'].map((each) => list.check(each)), [true, true, false]);
  assert.ok(list.check('fd12::1', 'ipv6'));
  for (const wrong of ['', 'intranet', '10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/', '300.1.1.1']) assert.throws(() => networks([wrong]), TypeError, wrong);
});
