import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { RTCPeerConnection } from 'werift';
import { UdpPort } from './udp-port.ts';
import { WeriftIce } from './werift-ice.ts';

test('an agent that is closed while nobody answers it leaves nothing behind at the port', async (context) => {
  const mute = createSocket('udp4').bind(0, '127.0.0.1');
  context.after(() => mute.close());
  await once(mute, 'listening');
  const port = await UdpPort.open({ range: undefined, receiveBufferBytes: 65_536, warn: (message) => assert.fail(message) });
  context.after(() => port.close());
  const waiting = new Set<string>();
  context.mock.method(port, 'expect', (transactionId: string) => void waiting.add(transactionId));
  context.mock.method(port, 'forget', (transactionId: string) => void waiting.delete(transactionId));

  const peer = new RTCPeerConnection({ iceServers: [] });
  const transceiver = peer.addTransceiver('audio');
  const { connection } = transceiver.dtlsTransport.iceTransport;
  new WeriftIce(connection, port, { dtls: () => undefined, media: () => undefined });
  const asked = once(mute, 'message');
  await peer.setRemoteDescription({ type: 'offer', sdp: offerFrom(mute.address().port) });
  await peer.setLocalDescription(await peer.createAnswer());
  await asked;
  assert.ok(waiting.size > 0);
  await peer.close();
  assert.deepEqual([...waiting], []);
});

const offerFrom = (port: number): string =>
  [
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=sendonly', 'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2',
    'a=ice-ufrag:abcdefgh', 'a=ice-pwd:abcdefghijklmnopqrstuvwx', 'a=setup:actpass', `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`,
    `a=candidate:1 1 udp 2122260223 127.0.0.1 ${String(port)} typ host`, '',
  ].join('\r\n');
