import assert from 'node:assert/strict';
import test from 'node:test';
import { isForMediasoup } from './choice.ts';
import { readConnection } from './connection-offer.ts';
import { type LocalConnection, writeAnswer } from './mediasoup-answer.ts';
import { isCandidate, type Offer, readOffer } from './offer.ts';

const section = (mid: string, more = '', media = 'audio 9 UDP/TLS/RTP/SAVPF 111'): string =>
  [`m=${media}`, 'c=IN IP4 0.0.0.0', `a=mid:${mid}`, 'a=sendonly', 'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2', 'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid', ...more.split('\n').filter(Boolean), ''].join('\r\n');
const offerOf = (group: string, ...sections: readonly string[]): string =>
  ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', ...(group === '' ? [] : [`a=group:BUNDLE ${group}`]), 'a=ice-ufrag:abcd', 'a=ice-pwd:0123456789012345678901', 'a=fingerprint:sha-256 ab:cd', 'a=setup:actpass', ''].join('\r\n') +
  sections.join('');
const read = (sdp: string): Offer => readOffer(sdp, { maxSdpBytes: 65_536, maxTracks: 8, maxCandidates: 8 }, false);

const VIDEO = 'm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n';
const DATA = 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\na=sctp-port:5000\r\n';
const LOCAL: LocalConnection = {
  iceUfrag: 'mine',
  icePwd: 'secret',
  fingerprint: { algorithm: 'sha-256', value: 'EE:FF' },
  candidates: [
    { protocol: 'udp', address: '192.0.2.1', port: 4000 },
    { protocol: 'udp', address: '2001:db8::1', port: 4000 },
    { protocol: 'tcp', address: '192.0.2.1', port: 4001 },
  ],
  sctpPort: 5000,
  maxMessageBytes: 262_144,
  version: 3,
};

test('bundled sections share a connection, those outside want another', () => {
  const connection = readConnection(read(offerOf('0 d', section('0'), section('1'), DATA)));
  assert.deepEqual(connection.mids, ['0', 'd']);
  assert.deepEqual(connection.otherMids, ['1']);
  assert.deepEqual(connection.fingerprint, { algorithm: 'sha-256', value: 'AB:CD' });
  assert.equal(connection.iceUfrag, 'abcd');
});

test('the strongest fingerprint that can be checked is taken, the own one of the section first', () => {
  const own = section('0', 'a=fingerprint:sha-1 01:02\na=fingerprint:sha-512 03:04\na=fingerprint:md5 05:06');
  assert.deepEqual(readConnection(read(offerOf('0', own))).fingerprint, { algorithm: 'sha-512', value: '03:04' });
  assert.throws(() => readConnection(read(offerOf('0', section('0')).replace('sha-256 ab:cd', 'md5 ab:cd'))), { code: 'SDP_INVALID' });
});

test('a section with port 0 that is bundle-only is alive, without it is refused', () => {
  const bundleOnly = section('1', 'a=bundle-only', 'audio 0 UDP/TLS/RTP/SAVPF 111');
  const stopped = section('2', '', 'audio 0 UDP/TLS/RTP/SAVPF 111');
  const offer = read(offerOf('0 1', section('0'), bundleOnly, stopped));
  assert.deepEqual(readConnection(offer).mids, ['0', '1']);
  assert.match(writeAnswer(offer, ['0', '1'], LOCAL), /m=audio 0 UDP\/TLS\/RTP\/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\n/);
});

test('the answer keeps the order, accepts what is carried and refuses the rest by its port', () => {
  const offer = read(offerOf('v 0 d', VIDEO, section('0'), DATA));
  const answer = writeAnswer(offer, readConnection(offer).mids, LOCAL);
  assert.deepEqual([...answer.matchAll(/^m=(\S+ \d+)/gm)].map(([, line]) => line), ['video 0', 'audio 9', 'application 9']);
  assert.deepEqual([...answer.matchAll(/^a=mid:(\S+)/gm)].map(([, mid]) => mid), ['v', '0', 'd']);
  assert.match(answer, /^a=group:BUNDLE 0 d\r$/m);
  assert.match(answer, /^a=ice-lite\r$/m);
  assert.match(answer, /^o=- \d+ 3 IN/m);
  assert.match(answer, /^a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r$/m);
  assert.match(answer, /^a=fingerprint:sha-256 EE:FF\r\na=setup:passive\r$/m);
});

test('candidates are of host type, UDP before TCP, each with another priority', () => {
  const answer = writeAnswer(read(offerOf('', section('0'))), ['0'], LOCAL);
  const candidates = [...answer.matchAll(/^a=(candidate:.*)\r$/gm)].map(([, text = '']) => text);
  assert.ok(candidates.every(isCandidate));
  assert.match(candidates[2] ?? '', / tcp \d+ 192\.0\.2\.1 4001 typ host tcptype passive$/);
  const priorities = candidates.map((text) => Number(text.split(' ')[3]));
  assert.deepEqual([...priorities].sort((one, other) => other - one), priorities);
  assert.equal(new Set(priorities).size, 3);
  assert.ok(priorities.every((priority) => priority < 2 ** 31));
  assert.doesNotMatch(answer, /group:BUNDLE/, 'not offered');
});

test('offers that mediasoup cannot serve are told from those that it can', () => {
  const bare = section('0').replace(/a=extmap.*\r\n/, '');
  assert.equal(isForMediasoup(offerOf('0', section('0'))), true);
  assert.equal(isForMediasoup(offerOf('0', bare)), false, 'neither SSRC nor MID');
  assert.equal(isForMediasoup(offerOf('0', `${bare}a=ssrc:1 cname:x\r\n`)), true);
  assert.equal(isForMediasoup(offerOf('', section('0'), section('1'))), false, 'two transports');
  assert.equal(isForMediasoup('no offer'), true, 'it refuses that itself');
});
