import assert from 'node:assert/strict';
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { CounterMode, Gcm } from './ciphers.ts';
import { HmacSha1 } from './hmac-sha1.ts';
import { deriveSessionKeys, masterSaltBytes } from './keys.ts';
import type { MasterKey, SrtpProfile } from './keys.ts';
import { estimateIndex, SrtpReceiver } from './srtp.ts';
import { SrtcpReceiver, SrtcpSender } from './srtcp.ts';
import { protectRtp, rtpPacket } from './testing/srtp-sender.ts';

const PROFILES: readonly SrtpProfile[] = ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'];
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const masterOf = (profile: SrtpProfile): MasterKey => ({ key: Buffer.alloc(16, 7), salt: Buffer.alloc(masterSaltBytes(profile), 9) });

test('RFC 3711, appendix B.2: the key stream of AES-CM', () => {
  const cipher = new CounterMode(createSecretKey(hex('2B7E151628AED2A6ABF7158809CF4F3C')), hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD'));
  const data = Buffer.alloc(0xff02 * 16);
  cipher.apply(data, 0, data.length, 0, 0, 0);
  assert.equal(data.subarray(0, 48).toString('hex'), 'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0');
  assert.equal(data.subarray(0xfeff * 16).toString('hex'), 'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44');
});

test('RFC 3711, appendix B.3: key derivation', () => {
  const master = { key: hex('E1F97A0D3E018BE0D64FA32C06DE4139'), salt: hex('0EC675AD498AFEEBB6960B3AABE6') };
  const keys = deriveSessionKeys('AES_CM_128_HMAC_SHA1_80', master, 'rtp');
  assert.equal(keys.encryption.export().toString('hex'), 'c61e7a93744f39ee10734afe3ff7a087');
  assert.equal(keys.salt.toString('hex'), '30cbbc08863d8c85d49db34a9ae1');
  assert.equal(Buffer.from(keys.authentication).toString('hex'), 'cebe321f6ff7716b6fd4ab49af256a156d38baa4');
});

const RFC_7714 = new Gcm(createSecretKey(hex('000102030405060708090a0b0c0d0e0f')), Buffer.from('Quid pro quo'));

test('RFC 7714, section 16.1: AEAD_AES_128_GCM of RTP', () => {
  const header = hex('8040f17b 8041f8d3 5501a0b2');
  const text = Buffer.from('Gallia est omnis divisa in partes tres');
  const sealed = hex(
    'f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce',
  );
  assert.deepEqual(RFC_7714.seal(header, text, 0x5501a0b2, 0, 0xf17b), sealed);
  const opened = RFC_7714.open(header, sealed.subarray(0, -16), sealed.subarray(-16), 0x5501a0b2, 0, 0xf17b);
  assert.deepEqual(opened, text);
});

test('RFC 7714, section 17.1: AEAD_AES_128_GCM of RTCP', () => {
  const text = hex('4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef');
  const sealed = RFC_7714.seal(hex('81c8000d 4d617273 800005d4'), text, 0x4d617273, 0, 0x5d4);
  const expected = '63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade';
  assert.deepEqual(sealed, hex(expected));
});

test('RFC 2202 and chance: HMAC-SHA1', () => {
  assert.equal(digestOf(Buffer.alloc(20, 0x0b), Buffer.from('Hi There')), 'b617318655057264e28bc0b6fb378c8ef146be00');
  assert.equal(digestOf(Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?')), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79');
  for (let length = 0; length < 300; length += 1) {
    const [key, data] = [randomBytes(20), randomBytes(length + 3)];
    const part = data.subarray(3);
    assert.equal(digestOf(key, part), createHmac('sha1', key).update(part).digest('hex'));
    const suffixed = createHmac('sha1', key).update(part).update(hex('89abcdef')).digest('hex');
    assert.equal(wordsToHex(new HmacSha1(key).digest(data, 3, data.length, 0x89abcdef)), suffixed);
  }
});

const digestOf = (key: Buffer, data: Buffer): string => wordsToHex(new HmacSha1(key).digest(data, 0, data.length));
const wordsToHex = (words: Int32Array): string => [...words].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');

for (const profile of PROFILES) {
  const master = masterOf(profile);
  const sealed = (sequence: number, ssrc = 1): Buffer =>
    protectRtp(profile, master, rtpPacket(Buffer.from(`payload ${String(sequence)}`), { sequenceNumber: sequence, ssrc }), Math.floor(sequence / 0x1_0000));

  test(`${profile}: what was protected is opened, over every wrap of the sequence number`, () => {
    const receiver = new SrtpReceiver(profile, master);
    for (let sequence = 100; sequence < 0x1_0000 * 3; sequence += 997) {
      assert.equal(receiver.open(sealed(sequence))?.toString(), `payload ${String(sequence)}`);
    }
    assert.deepEqual(receiver.refused, { malformed: 0, forged: 0, replayed: 0 });
  });

  test(`${profile}: late packets are opened as far as the window reaches, over a wrap too; none is opened twice`, () => {
    const receiver = new SrtpReceiver(profile, master);
    const newest = 0x1_0000 + 40;
    for (const sequence of [0xff00, newest]) assert.ok(receiver.open(sealed(sequence)));
    for (let late = newest - 1; late > newest - 128; late -= 1) assert.ok(receiver.open(sealed(late)), String(late));
    assert.equal(receiver.open(sealed(newest - 128)), undefined, 'older than the window');
    for (let again = newest; again > newest - 128; again -= 1) assert.equal(receiver.open(sealed(again)), undefined);
    assert.deepEqual(receiver.refused, { malformed: 0, forged: 0, replayed: 129 });
  });

  test(`${profile}: a forged packet is refused and changes nothing`, () => {
    const receiver = new SrtpReceiver(profile, master);
    const genuine = sealed(500);
    for (let bit = 0; bit < genuine.length * 8; bit += 1) {
      const forged = Buffer.from(genuine);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(receiver.open(forged), undefined, `bit ${String(bit)}`);
    }
    const foreign = { ...master, key: Buffer.alloc(16, 8) };
    assert.equal(receiver.open(protectRtp(profile, foreign, rtpPacket(Buffer.from('x'), { sequenceNumber: 60_000 }))), undefined);
    assert.ok(receiver.open(genuine));
    assert.ok(receiver.open(sealed(499)), 'the highest sequence number was not moved');
  });

  test(`${profile}: streams are told apart, and there is an end to their number`, () => {
    const receiver = new SrtpReceiver(profile, master);
    for (let ssrc = 1; ssrc <= 1024; ssrc += 1) assert.ok(receiver.open(sealed(ssrc, ssrc)));
    assert.equal(receiver.open(sealed(1, 1025)), undefined);
    assert.ok(receiver.open(sealed(2, 1)));
  });

  test(`${profile}: any bytes are refused without harm`, () => {
    const receiver = new SrtpReceiver(profile, master);
    const control = new SrtcpReceiver(profile, master);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0x80, 0x90, 0x9f, 0xbf), (bytes, first) => {
        const packet = Buffer.from([first, ...bytes]);
        assert.equal(receiver.open(Buffer.from(packet)), undefined);
        assert.equal(control.open(packet), undefined);
      }),
      { numRuns: 500 },
    );
  });

  test(`${profile}: RTCP goes there once, whole, encrypted`, () => {
    const [sender, receiver] = [new SrtcpSender(profile, master), new SrtcpReceiver(profile, master)];
    const compound = Buffer.concat([hex('80c90001 00000011'), Buffer.from('report of some length and one byte')]);
    const packets = Array.from({ length: 200 }, () => sender.seal(compound));
    assert.ok(!packets.some((packet) => packet.includes('report')));
    for (const packet of packets) assert.deepEqual(receiver.open(Buffer.from(packet)), compound);
    for (const packet of packets) assert.equal(receiver.open(Buffer.from(packet)), undefined);
    const forged = sender.seal(compound);
    forged[10] = (forged[10] ?? 0) ^ 1;
    assert.equal(receiver.open(forged), undefined);
    const plain = sender.seal(compound);
    const flagAt = plain.length - (profile === 'AEAD_AES_128_GCM' ? 4 : 14);
    plain[flagAt] = (plain[flagAt] ?? 0) & 0x7f;
    assert.equal(receiver.open(plain), undefined, 'not encrypted');
  });
}

test('the index of a packet is the one nearest to the highest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: -32_767, max: 32_767 }), (highest, step) => {
      const index = highest + step;
      fc.pre(index >= 0);
      assert.equal(estimateIndex(highest, index % 0x1_0000), index);
    }),
  );
});
