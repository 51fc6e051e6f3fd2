import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EarshotError } from '../src/core/errors.ts';
import { checkMatch, credentialsOf, iceServerLinks, isRestart, parseFragment, restartFragment, restartOffer, withDiscardedVideo } from './whip.ts';

const lines = (...each: string[]): string => `${each.join('\r\n')}\r\n`;

/** After RFC 9725, section 4.3.2. */
const FRAGMENT = lines(
  'a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=mid:0',
  'a=ice-ufrag:EsAw',
  'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1',
  'a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1',
  'a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2',
  'a=end-of-candidates',
);
const CREDENTIALS = { ufrag: 'EsAw', pwd: 'P2uYro0UCOQ4zxjKXaWCBui1' };

const OFFER = lines(
  'v=0',
  'o=- 1 1 IN IP4 0.0.0.0',
  'a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=ice-ufrag:EsAw',
  'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1',
  'a=candidate:1 1 udp 1 192.0.2.1 9 typ host',
  'a=mid:0',
  'm=video 0 UDP/TLS/RTP/SAVPF 96 97',
  'a=mid:1',
  'a=bundle-only',
  'a=rtpmap:97 rtx/90000',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:98 H264/90000',
  'a=fmtp:96 x-google-start-bitrate=1000',
);
const ANSWER = lines(
  'v=0',
  'a=group:BUNDLE 0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=ice-ufrag:8hhY',
  'a=ice-pwd:asd88fgpdd777uzjYhagZg',
  'a=candidate:1 1 udp 1 192.0.2.2 9 typ host',
  'a=fingerprint:sha-256 AA:BB',
  'a=setup:passive',
  'a=mid:0',
  'm=video 0 UDP/TLS/RTP/SAVPF 96',
  'a=mid:1',
  'a=inactive',
);

test('a fragment gives its credentials, and each candidate with its section', () => {
  const { credentials, candidates } = parseFragment(FRAGMENT);
  assert.deepEqual(credentials, CREDENTIALS);
  assert.deepEqual(candidates.map(({ sdpMid }) => sdpMid), ['0', '0']);
  assert.match(candidates[1]?.candidate ?? '', /^candidate:3471623853 1 udp/);
  assert.deepEqual(parseFragment('a=candidate:1 1 udp 1 192.0.2.1 9 typ host\n').candidates, [{ candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host', sdpMLineIndex: 0 }]);
});

test('what is no fragment is refused, and any other text too, with our own code', () => {
  for (const text of ['', 'hello', '{"candidate":""}', lines('v=0'), 'a=candidate:1\r\n'.repeat(65)]) {
    assert.throws(() => parseFragment(text), { code: 'MESSAGE_MALFORMED' }, text.slice(0, 20));
  }
  const line = fc.oneof(fc.constantFrom(...FRAGMENT.split('\r\n')), fc.string());
  fc.assert(
    fc.property(fc.array(line).map((each) => each.join('\r\n')), (text) => {
      try {
        parseFragment(text);
        withDiscardedVideo(text, ANSWER);
        withDiscardedVideo(OFFER, text);
        restartFragment(text);
      } catch (error) {
        assert.ok(error instanceof EarshotError);
      }
    }),
  );
});

test('other credentials are a restart; the same, or none, add to what is there', () => {
  const fragment = parseFragment(FRAGMENT);
  assert.equal(isRestart(fragment, CREDENTIALS), false);
  assert.equal(isRestart(fragment, { ...CREDENTIALS, ufrag: 'old1' }), true);
  assert.equal(isRestart(fragment, { ...CREDENTIALS, pwd: 'old1' }), true);
  assert.equal(isRestart(parseFragment(lines('a=mid:0', 'a=end-of-candidates')), CREDENTIALS), false);
});

test('a restart is the old offer with new credentials and without candidates', () => {
  const offer = restartOffer(OFFER, { ufrag: 'new1', pwd: 'newpasswordnewpassword' });
  assert.deepEqual(credentialsOf(offer), { ufrag: 'new1', pwd: 'newpasswordnewpassword' });
  assert.doesNotMatch(offer, /EsAw|candidate/);
  assert.equal(offer.split('\r\n').length, OFFER.split('\r\n').length - 1);
});

test('a restart is answered with the server’s credentials and candidates', () => {
  assert.equal(
    restartFragment(ANSWER),
    lines('a=group:BUNDLE 0', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ice-ufrag:8hhY', 'a=ice-pwd:asd88fgpdd777uzjYhagZg', 'a=candidate:1 1 udp 1 192.0.2.2 9 typ host', 'a=mid:0'),
  );
});

test('a PATCH is for the ICE session that its If-Match names', () => {
  for (const ifMatch of ['"x"', '"*"', '*', '"y", "x"']) checkMatch(ifMatch, '"x"');
  for (const ifMatch of ['"y"', 'x', 'W/"x"', '']) assert.throws(() => checkMatch(ifMatch, '"x"'), { code: 'PRECONDITION_FAILED' }, ifMatch);
  assert.throws(() => checkMatch(undefined, '"x"'), { code: 'PRECONDITION_REQUIRED' });
});

test('STUN and TURN servers are links', () => {
  assert.deepEqual(iceServerLinks([{ urls: 'stun:stun.example.net' }, { urls: ['turn:a?transport=udp', 'turns:b'], username: 'u"', credential: 'p' }]), [
    '<stun:stun.example.net>; rel="ice-server"',
    '<turn:a?transport=udp>; rel="ice-server"; username="u\\""; credential="p"; credential-type="password"',
    '<turns:b>; rel="ice-server"; username="u\\""; credential="p"; credential-type="password"',
  ]);
});

test('refused video on the transport of accepted audio is accepted, to be thrown away', () => {
  const answer = withDiscardedVideo(OFFER, ANSWER);
  assert.match(answer, /a=group:BUNDLE 0 1\r\n/);
  const video = answer.slice(answer.indexOf('m=video'));
  assert.equal(
    video,
    lines(
      'm=video 9 UDP/TLS/RTP/SAVPF 96',
      'c=IN IP4 0.0.0.0',
      'a=recvonly',
      'a=mid:1',
      'a=rtcp-mux',
      'a=rtpmap:96 VP8/90000',
      'a=fmtp:96 x-google-start-bitrate=1000',
      'a=ice-ufrag:8hhY',
      'a=ice-pwd:asd88fgpdd777uzjYhagZg',
      'a=fingerprint:sha-256 AA:BB',
      'a=setup:passive',
    ),
  );
  assert.equal(withDiscardedVideo(OFFER.replace('BUNDLE 0 1', 'BUNDLE 0'), ANSWER), ANSWER, 'a transport of its own is not there');
});
