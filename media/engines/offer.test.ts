import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EarshotError } from '../../src/core/errors.ts';
import { formatsOf, withOpusParameters } from './answer.ts';
import { isCandidate, isUsableCandidate, readOffer } from './offer.ts';
import type { OfferLimits } from './offer.ts';

const LIMITS: OfferLimits = { maxSdpBytes: 65_536, maxTracks: 8, maxCandidates: 2 };

const AUDIO = `m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9
c=IN IP4 0.0.0.0
a=ice-ufrag:aaaa
a=ice-pwd:bbbbbbbbbbbbbbbbbbbbbbbb
a=fingerprint:sha-256 AA:BB
a=setup:actpass
a=mid:0
a=extmap:4/sendonly urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=candidate:1 1 udp 2122 192.0.2.1 50000 typ host generation 0
a=candidate:2 1 tcp 1518 192.0.2.1 9 typ host tcptype active
a=candidate:3 1 udp 2122 x.local 50001 typ host
a=candidate:4 1 UDP 2122 2001:db8::1 50002 typ srflx raddr 10.0.0.1 rport 5
a=candidate:5 1 udp 2122 192.0.2.2 50003 typ host
a=end-of-candidates
a=ssrc:1234 cname:x
a=ssrc:1234 msid:y z
a=ssrc:99 cname:x
`;
const OFFER = `v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0\n${AUDIO}`;

const read = (sdp: string, needsAudio = true) => readOffer(sdp, LIMITS, needsAudio);
const codeOf = (sdp: string): string => {
  try {
    read(sdp);
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof EarshotError);
    return error.code;
  }
};

test('what packets are routed by is read', () => {
  assert.deepEqual(read(OFFER).sections, [
    {
      kind: 'audio',
      mid: '0',
      isReceivable: true,
      isIdleAudio: false,
      sctpPort: undefined,
      opusPayloadTypes: [111],
      redPayloadTypes: [63],
      rtx: [],
      ssrcs: [1234, 99],
      midExtensionId: 4,
      wantsDtx: false,
      hasReducedSizeRtcp: false,
      hasReceiverRoundTrip: false,
    },
  ]);
});

test('only usable candidates are passed on, as many as allowed, and no end of them', () => {
  const { sdp } = read(OFFER);
  assert.deepEqual(sdp.match(/(?<=^a=candidate:)\d/gm), ['1', '4']);
  assert.doesNotMatch(sdp, /end-of-candidates|a=ssrc/);
  assert.match(sdp, /a=rtpmap:9 G722\/8000\r$/m);
});

test('direction and DTLS role may stand at the session', () => {
  const moved = OFFER.replace('a=sendrecv\n', '').replace('a=setup:actpass\n', '');
  assert.equal(codeOf(moved.replace('t=0 0\n', 't=0 0\na=recvonly\na=setup:actpass\n')), 'SDP_NO_AUDIO');
  assert.equal(codeOf(moved.replace('t=0 0\n', 't=0 0\na=sendonly\na=setup:passive\n')), 'SDP_INVALID');
  assert.equal(codeOf(moved), 'accepted');
});

test('an active role is an offer if it sends, an answer if it only listens', () => {
  const active = OFFER.replace('actpass', 'active');
  assert.equal(codeOf(active), 'accepted');
  assert.equal(codeOf(active.replace('sendrecv', 'recvonly')), 'SDP_INVALID');
  assert.equal(codeOf(OFFER.replace('sendrecv', 'recvonly')), 'SDP_NO_AUDIO');
});

test('audio that cannot be received is no audio', () => {
  for (const [from, to] of [
    ['m=audio 9', 'm=audio 0'],
    ['UDP/TLS/RTP/SAVPF', 'RTP/AVP'],
    ['opus/48000/2', 'opus/48000'],
    ['a=sendrecv', 'a=inactive'],
    ['m=audio', 'm=video'],
  ] as const) {
    assert.equal(codeOf(OFFER.replace(from, to)), 'SDP_NO_AUDIO', `${from} -> ${to}`);
  }
});

test('a later offer may take the last track away', () => {
  const muted = OFFER.replace('a=sendrecv', 'a=inactive');
  assert.equal(read(muted, false).sections[0]?.isReceivable, false);
});

test('what nothing can be connected to is refused', () => {
  for (const [from, to] of [
    ['a=ice-ufrag:aaaa\n', ''],
    ['a=fingerprint:sha-256 AA:BB\n', ''],
    ['a=mid:0\n', ''],
    ['m=audio 9', 'm=audio nine'],
    ['m=audio', 'm=message'],
    ['s=-', 'nonsense'],
    [AUDIO, AUDIO + AUDIO],
  ] as const) {
    assert.equal(codeOf(OFFER.replace(from, to)), 'SDP_INVALID', from);
  }
});

test('limits hold at, one over and far over', () => {
  const filled = (bytes: number): string => `${OFFER}a=${'x'.repeat(bytes - OFFER.length - 3)}\n`;
  assert.equal(codeOf(filled(65_536)), 'accepted');
  assert.equal(codeOf(filled(65_537)), 'MESSAGE_TOO_LARGE');
  assert.equal(codeOf(filled(1_000_000)), 'MESSAGE_TOO_LARGE');
  const sections = (count: number): string =>
    OFFER + Array.from({ length: count - 1 }, (_, i) => AUDIO.replace('a=mid:0', `a=mid:${String(i + 1)}`)).join('');
  assert.equal(codeOf(sections(8)), 'accepted');
  assert.equal(codeOf(sections(9)), 'SDP_INVALID');
  assert.equal(codeOf(sections(70)), 'SDP_INVALID');
});

test('candidates: which are, and which can be used', () => {
  const candidates = [...OFFER.matchAll(/^a=(candidate:.*)$/gm)].map(([, text = '']) => text);
  assert.deepEqual(candidates.map(isCandidate), [true, true, true, true, true]);
  assert.deepEqual(candidates.map(isUsableCandidate), [true, false, false, true, true]);
  assert.equal(isUsableCandidate('candidate:1 1 udp 1 192.0.2.1 0 typ host'), false);
  assert.equal(isUsableCandidate('candidate:1 1 udp 1 192.0.2.1 65536 typ host'), false);
  assert.equal(isUsableCandidate('candidate:1 2 udp 1 192.0.2.1 5 typ host'), false);
  assert.equal(isCandidate('candidate:1 1 udp 1 192.0.2.1 5 typ other'), false);
});

test('changed offers are read or refused with our own error, never anything else', () => {
  const edit = fc.record({
    at: fc.nat(OFFER.length),
    remove: fc.nat(80),
    insert: fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('\n', 'm=audio 9 ', 'a=mid:', 'a=ssrc:', ':', ' ')),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 6 }), (edits) => {
      let sdp = OFFER;
      for (const { at, remove, insert } of edits) sdp = sdp.slice(0, at) + insert + sdp.slice(at + remove);
      codeOf(sdp);
    }),
    { numRuns: 2000 },
  );
});

test('the answer gets our Opus parameters where it receives, and nowhere else', () => {
  const answer = [
    'v=0',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=mid:0',
    'a=rtpmap:111 OPUS/48000/2',
    'a=fmtp:111 stereo=1',
    'm=audio 0 UDP/TLS/RTP/SAVPF 111',
    'a=mid:1',
    'a=rtpmap:111 OPUS/48000/2',
    'a=fmtp:111 stereo=1',
    '',
  ].join('\r\n');
  const dtx = OFFER.replace('useinbandfec=1', 'usedtx=1') + AUDIO.replace('a=mid:0', 'a=mid:1').replace('sendrecv', 'inactive');
  const lines = withOpusParameters(answer, read(dtx).sections).split('\r\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('a=fmtp')),
    ['a=fmtp:63 111/111', 'a=fmtp:111 minptime=10;maxplaybackrate=16000;maxaveragebitrate=32000;useinbandfec=1;usedtx=1', 'a=fmtp:111 stereo=1'],
  );
});

test('the answer asks for what helps against loss: redundant audio first, lost packets again, round trips', () => {
  const answer = 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\n';
  const rtx = 'a=rtpmap:112 rtx/48000/2\na=fmtp:112 apt=111\na=rtpmap:113 rtx/48000/2\na=fmtp:113 apt=9\na=rtcp-rsize\na=rtcp-xr:rcvr-rtt=all\n';
  const { sections } = read(OFFER + rtx);
  assert.equal(
    withOpusParameters(answer, sections),
    [
      'v=0',
      'm=audio 9 UDP/TLS/RTP/SAVPF 63 111 112',
      'a=mid:0',
      'a=rtpmap:63 red/48000/2',
      'a=fmtp:63 111/111',
      'a=rtcp-fb:63 nack',
      'a=rtpmap:111 opus/48000/2',
      'a=fmtp:111 minptime=10;maxplaybackrate=16000;maxaveragebitrate=32000;useinbandfec=1',
      'a=rtcp-fb:111 nack',
      'a=rtpmap:112 rtx/48000/2',
      'a=fmtp:112 apt=111',
      'a=rtcp-rsize',
      'a=rtcp-xr:rcvr-rtt=all',
      '',
    ].join('\r\n'),
  );
  const [section] = sections;
  assert.deepEqual(section && formatsOf(section), { opus: [111], red: [63], rtx: [{ payloadType: 112, repeats: 111 }], nack: true });
  assert.deepEqual(section && formatsOf(section, { red: false, nack: false }), { opus: [111], red: [], rtx: [], nack: false });
});
