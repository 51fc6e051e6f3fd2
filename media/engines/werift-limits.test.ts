import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { classes, Message, methods } from 'werift';
import { Observed } from './testing/observed.ts';
import { RtcClient } from './testing/rtc-client.ts';
import { createWeriftEngine } from './werift.ts';

/** As in `werift-ice.ts`. */
const MAX_PLACES = 32;

async function socketOf(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

test('one peer is answered at so many addresses and no more, whoever knows its password', async () => {
  const engine = createWeriftEngine();
  const client = new RtcClient();
  const sockets = await Promise.all(Array.from({ length: MAX_PLACES + 8 }, socketOf));
  try {
    client.addTrack();
    const answer = await new Observed(engine).peer.answer(await client.offer());
    const value = (pattern: RegExp): string => pattern.exec(answer)?.[1] ?? assert.fail(String(pattern));
    const port = Number(value(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) /m));
    const [ufrag, password] = [value(/^a=ice-ufrag:(\S+)/m), value(/^a=ice-pwd:(\S+)/m)];
    const answered = new Set<Socket>();
    for (const socket of sockets) {
      // The first two bits of what is answered or asked: STUN.
      socket.on('message', (data) => {
        if ((data[0] ?? 255) === 1) answered.add(socket);
      });
      const request = new Message(methods.BINDING, classes.REQUEST).setAttribute('USERNAME', `${ufrag}:x`).setAttribute('PRIORITY', 1).setAttribute('ICE-CONTROLLING', 1n);
      await new Promise((resolve) => socket.send(request.addMessageIntegrity(Buffer.from(password)).addFingerprint().bytes, port, '127.0.0.1', resolve));
    }
    // Nothing tells that something does not come.
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(answered.size, MAX_PLACES);
  } finally {
    for (const socket of sockets) socket.close();
    await Promise.all([client.close(), engine.close()]);
  }
});
