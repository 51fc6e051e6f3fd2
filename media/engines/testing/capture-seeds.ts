/**
 * Records what a real Chromium sends to an engine, as seeds of the fuzzer: of each kind a few datagrams of different shapes.
 *   node media/engines/testing/capture-seeds.ts > media/engines/testing/chromium-seeds.txt
 */
import { Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { rtpHeaderBytes } from '../../srtp/rtp-layout.ts';
import { SrtcpReceiver } from '../../srtp/srtcp.ts';
import { SrtpReceiver } from '../../srtp/srtp.ts';
import { datagramKind } from '../stun.ts';
import { createWeriftEngine } from '../werift.ts';

/** Long enough for sender reports and a second round of consent checks. */
const SECONDS = 8;
const MAX_OF_A_KIND = 8;
const OPUS = 111;

const shapes = new Map<string, Set<string>>();
const lines: string[] = [];

/** Notes a datagram if there is none yet of its shape, and not too many of its kind. */
function note(kind: string, data: Uint8Array, shape: string): void {
  const known = shapes.get(kind) ?? new Set();
  shapes.set(kind, known);
  if (known.has(shape) || known.size === MAX_OF_A_KIND) return;
  known.add(shape);
  lines.push(`${kind} ${Buffer.from(data).toString('hex')}`);
}

const emit = Reflect.get(Socket.prototype, 'emit');
Socket.prototype.emit = function (this: Socket, name: string | symbol, ...args: unknown[]): boolean {
  const [data] = args;
  if (name === 'message' && Buffer.isBuffer(data)) {
    const kind = datagramKind(data);
    if (kind === 'stun') note('STUN', data, `${data.readUInt16BE(0)} ${data.length}`);
    if (kind === 'dtls') note('DTLS', data, `${data[0]} ${data[13]} ${data.length >> 6}`);
  }
  return emit.call(this, name, ...args);
};

const openRtp = Reflect.get(SrtpReceiver.prototype, 'open');
SrtpReceiver.prototype.open = function (this: SrtpReceiver, data): Buffer | undefined {
  const payload = openRtp.call(this, data);
  if (!payload) return undefined;
  const isOpus = ((data[1] ?? 0) & 0x7f) === OPUS;
  note('RTP', Buffer.concat([data.subarray(0, rtpHeaderBytes(data)), payload]), `${data[0]} ${data[1]} ${payload.length >> 5}`);
  note(isOpus ? 'Opus' : 'RED', payload, `${payload[0]} ${payload.length >> 5}`);
  return payload;
};

const openRtcp = Reflect.get(SrtcpReceiver.prototype, 'open');
SrtcpReceiver.prototype.open = function (this: SrtcpReceiver, data): Buffer | undefined {
  const compound = openRtcp.call(this, data);
  if (compound) note('RTCP', compound, String(compound.length));
  return compound;
};

const engine = createWeriftEngine();
const peer = engine.createPeer({ track: ({ source }) => void Array.fromAsync(source), state: () => undefined, channel: () => undefined });

const server = createServer((_request, response) => {
  response.setHeader('content-type', 'text/html').end('<!doctype html><title>Capture</title>');
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', '--allow-loopback-in-peer-connection'],
});
const page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
const offer = await page.evaluate<string>(`(async () => {
  globalThis.pc = new RTCPeerConnection();
  pc.createDataChannel('transcript');
  pc.addTrack((await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks()[0]);
  await pc.setLocalDescription();
  await new Promise((resolve) => { pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve(); });
  return pc.localDescription.sdp;
})()`);
note('SDP', Buffer.from(offer), 'offer');
await page.evaluate(`pc.setRemoteDescription(${JSON.stringify({ type: 'answer', sdp: await peer.answer(offer) })})`);
await sleep(SECONDS * 1000);
await page.evaluate('pc.close()');
await sleep(200);
await browser.close();
server.close();
await engine.close();
process.stdout.write(`${lines.sort().join('\n')}\n`);
