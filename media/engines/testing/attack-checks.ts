import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { classes, Message, methods, RTCCertificate, RTCDtlsTransport } from 'werift';
import type { MediaEngine } from '../../../src/core/media-engine.ts';
import { isHandshake, MESSAGE, RECORD, Scene, settled, Stranger, until } from './attack-scene.ts';
import type { ConformanceCheck } from './check.ts';
import { using } from './check.ts';
import { dtlsRecord } from './dtls-bytes.ts';
import { tones } from './tones.ts';

const DTLS_1_0 = 0xfeff;
/** ECDHE with AES-CBC and SHA-1, for both kinds of certificate: what DTLS 1.0 has. */
const OLD_SUITES = [0xc009, 0xc013];
/** Of the highest version in a ClientHello: behind the headers of record and message. */
const VERSION_OFFSET = 13 + 12;
const SESSION_ID_OFFSET = VERSION_OFFSET + 2 + 32;

/** Attacks on a connection: by strangers on the network, by who can forge the client's address, and by the client itself. They fail. */
export const attackChecks: readonly ConformanceCheck[] = [
  attack("a stranger's ClientHello, before the client's own, starts nothing and is not answered", async (engine) => {
    const hello = await clientHello(engine);
    await Scene.with(engine, async (scene) => {
      await using stranger = await Stranger.at(scene.port);
      const connected = scene.connect();
      const over = new AbortController();
      // Not so many that there is no room for the client's own.
      const hellos = (async () => {
        for (; !over.signal.aborted; await new Promise((resolve) => setTimeout(resolve, 1))) await stranger.send(hello);
      })();
      await connected.finally(() => over.abort());
      await hellos;
      await scene.isAlive();
      await settled();
      assert.deepEqual(stranger.heard, []);
    });
  }),
  attack('alerts, handshakes, media and noise from a stranger do not matter', async (engine) => {
    const hello = await clientHello(engine);
    await Scene.with(engine, async (scene) => {
      await scene.connect();
      await using stranger = await Stranger.at(scene.port);
      await stranger.send(
        dtlsRecord(RECORD.alert, 0, 9, Buffer.of(1, 0)),
        dtlsRecord(RECORD.alert, 0, 10, Buffer.of(2, 40)),
        dtlsRecord(RECORD.alert, 1, 11, Buffer.of(1, 0, ...Buffer.alloc(24))),
        hello,
        ...[0, 1, 22, 128, 144, 255].map((first) => Buffer.concat([Buffer.of(first), Buffer.alloc(60, first)])),
      );
      await scene.isAlive();
      await settled();
      assert.deepEqual(stranger.heard, []);
    });
  }),
  attack("the same under the client's own address, as somebody can who forges it, does not matter either", async (engine) => {
    const hello = await clientHello(engine);
    await Scene.with(engine, async (scene) => {
      await scene.connect();
      for (const forged of [
        dtlsRecord(RECORD.alert, 0, 9, Buffer.of(1, 0)),
        dtlsRecord(RECORD.alert, 0, 10, Buffer.of(2, 40)),
        // werift reads the first bytes of an encrypted alert as if they were the alert.
        dtlsRecord(RECORD.alert, 1, 11, Buffer.of(1, 0, ...Buffer.alloc(24))),
        dtlsRecord(RECORD.data, 1, 12, Buffer.alloc(60)),
        dtlsRecord(99, 0, 13, Buffer.of(1)),
        hello,
        Buffer.concat([Buffer.of(22), Buffer.alloc(5)]),
        Buffer.concat([Buffer.of(0x80, 111), Buffer.alloc(60)]),
        Buffer.concat([Buffer.of(0x80, 200), Buffer.alloc(60)]),
      ]) {
        await scene.sendAsClient(forged);
      }
      await scene.isAlive();
      // The keys are still those of the client: it is believed when it leaves.
      await scene.client.close();
      await scene.observed.reached('closed');
    });
  }),
  attack('SRTP is heard once, wherever it is sent from again', async (engine) => {
    await Scene.with(engine, async (scene) => {
      await scene.connect();
      await scene.isAlive();
      const packets = scene.sent.filter((data) => (data[0] ?? 0) >> 6 === 2 && (data[1] ?? 0) % 128 === 111);
      assert.equal(packets.length, 20);
      await using stranger = await Stranger.at(scene.port);
      await stranger.send(...packets);
      for (const packet of packets) await scene.sendAsClient(packet);
      scene.client.send(0, tones([880]), 20);
      const track = await scene.observed.track(0);
      await until('the next packets', () => track.stats().packetsReceived >= 40);
      await settled();
      assert.equal(track.stats().packetsReceived, 40);
    });
  }),
  attack('a client that has nothing newer than DTLS 1.0 gets no ServerHello', async (engine) => {
    const old = (data: Buffer): Buffer => (isHandshake(data, MESSAGE.clientHello) ? asOldHello(data) : data);
    await Scene.with(
      engine,
      async (scene) => {
        await scene.client.accept(scene.answer);
        await until('the client has tried', () => scene.sent.some((data) => isHandshake(data, MESSAGE.clientHello)));
        await settled();
        assert.ok(!scene.received.some((data) => isHandshake(data, MESSAGE.serverHello)), 'a ServerHello');
        assert.ok(!scene.observed.states.includes('connected'));
      },
      { sent: old },
    );
  }),
  attack('a certificate with another fingerprint than the offer has is refused', async (engine) => {
    const wrong = (offer: string): string => offer.replaceAll(/^(a=fingerprint:\S+ )(..)/gm, (_, start: string, byte: string) => start + (byte === '00' ? '01' : '00'));
    await Scene.with(engine, isRefused, { offer: wrong });
  }),
  attack('the right certificate without its key is refused', async (engine) => {
    const own = await RTCDtlsTransport.SetupCertificate();
    await Scene.with(engine, async (scene) => {
      const transport = scene.client.connection.dtlsTransports[0] ?? assert.fail();
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      transport.localCertificate = new RTCCertificate(privateKey.export({ type: 'pkcs8', format: 'pem' }), own.certPem, own.signatureHash);
      await isRefused(scene);
    });
  }),
  attack('binding requests that are not authentic connect nobody', async (engine) => {
    await Scene.with(engine, async (scene) => {
      await scene.connect();
      const ufrag = /^a=ice-ufrag:(\S+)/m.exec(scene.answer)?.[1] ?? '';
      const request = (name: string): Message => new Message(methods.BINDING, classes.REQUEST).setAttribute('USERNAME', name).setAttribute('PRIORITY', 1);
      await using stranger = await Stranger.at(scene.port);
      await stranger.send(
        request(`${ufrag}:x`).addFingerprint().bytes,
        request(`${ufrag}:x`).addMessageIntegrity(Buffer.from('guessed')).addFingerprint().bytes,
        request('nobody:x').addMessageIntegrity(Buffer.from('guessed')).bytes,
      );
      await scene.isAlive();
      await settled();
      const welcomed = stranger.heard.filter((data) => data.readUInt16BE(0) === SUCCESS);
      assert.deepEqual(welcomed, []);
    });
  }),
];

/** STUN's type of a success response to a binding request. */
const SUCCESS = 0x0101;

function attack(name: string, run: (engine: MediaEngine) => Promise<void>): ConformanceCheck {
  return { name, run: (makeEngine) => using(makeEngine, {}, run) };
}

/** The same ClientHello from a client of DTLS 1.0: its version and what it can encrypt by. */
function asOldHello(hello: Buffer): Buffer {
  hello.writeUInt16BE(DTLS_1_0, VERSION_OFFSET);
  const cookieAt = SESSION_ID_OFFSET + 1 + (hello[SESSION_ID_OFFSET] ?? 0);
  const suitesAt = cookieAt + 1 + (hello[cookieAt] ?? 0);
  const count = hello.readUInt16BE(suitesAt) / 2;
  for (let i = 0; i < count; i += 1) hello.writeUInt16BE(OLD_SUITES[i % OLD_SUITES.length] ?? 0, suitesAt + 2 + 2 * i);
  return hello;
}

async function isRefused({ client, answer, observed }: Scene): Promise<void> {
  await client.accept(answer);
  await observed.reached('closed');
  assert.ok(!observed.states.includes('connected'));
}

/** A ClientHello as the client sends it, from a session that is not attacked. */
async function clientHello(engine: MediaEngine): Promise<Buffer> {
  let hello: Buffer = Buffer.alloc(0);
  await Scene.with(engine, async (scene) => {
    await scene.connect();
    hello = scene.sent.find((data) => isHandshake(data, MESSAGE.clientHello)) ?? assert.fail();
  });
  return hello;
}
