import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { classes, Message, methods, RTCCertificate, RTCDtlsTransport } from 'werift';
import { ManualClock } from '../../src/core/clock.ts';
import { dtlsRecord } from './testing/dtls-bytes.ts';
import { Observed, within } from './testing/observed.ts';
import { RtcClient } from './testing/rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from './testing/tones.ts';
import { createWeriftEngine } from './werift.ts';
import type { WeriftEngineOptions } from './werift.ts';

const RECORD = { alert: 21, handshake: 22, data: 23 } as const;

const HELLO_VERIFY_REQUEST = 3;

/** Somebody on the network with a socket of its own. */
class Stranger {
  readonly heard: Buffer[] = [];
  readonly #socket: Socket;
  readonly #port: number;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on('message', (data) => this.heard.push(data));
  }

  static async at(port: number): Promise<Stranger> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Stranger(socket, port);
  }

  send(...datagrams: readonly Uint8Array[]): Promise<void[]> {
    return Promise.all(datagrams.map((data) => new Promise<void>((resolve) => this.#socket.send(data, this.#port, '127.0.0.1', () => resolve()))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

interface Scene {
  readonly client: RtcClient;
  readonly observed: Observed;
  readonly port: number;
  readonly answer: string;
  /** What the client has sent to the server that is no STUN, in order. */
  readonly sent: Buffer[];
  /** Sends as if it were the client: from its own address. */
  sendAsClient(data: Uint8Array): Promise<void>;
}

/** A client that has its answer and is about to connect. */
async function withClient(body: (scene: Scene) => Promise<void>, options: WeriftEngineOptions = {}, change = (offer: string): string => offer): Promise<void> {
  const engine = createWeriftEngine(options);
  const client = new RtcClient();
  try {
    const observed = new Observed(engine);
    client.addTrack();
    const answer = await observed.peer.answer(change(await client.offer()));
    const port = Number(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) /m.exec(answer)?.[1]);
    const sent: Buffer[] = [];
    const connection = client.connection.dtlsTransports[0]?.iceTransport.connection ?? assert.fail();
    const send = connection.send.bind(connection);
    connection.send = (data) => {
      sent.push(Buffer.from(data));
      return send(data);
    };
    const sendAsClient = async (data: Uint8Array): Promise<void> => {
      const nominated = connection.nominated ?? assert.fail('the client is connected');
      await nominated.protocol.sendData(Buffer.from(data), nominated.remoteAddr);
    };
    await body({ client, observed, port, answer, sent, sendAsClient });
  } finally {
    await Promise.all([client.close(), engine.close()]);
  }
}

async function connect({ client, observed, answer }: Scene): Promise<void> {
  await client.accept(answer);
  await within('the client connects', client.connected());
  await observed.reached('connected');
}

/** The session is as it should be: what the client says is heard. */
async function isAlive({ client, observed }: Scene): Promise<void> {
  client.send(0, tones([440]));
  assertTones(render(await hear(await observed.track(0), tonesSamples(1))), [440]);
  assert.deepEqual(observed.states, ['connecting', 'connected']);
}

/** A ClientHello as the client sends it, from a session that is not attacked. */
async function clientHello(): Promise<Buffer> {
  let hello: Buffer = Buffer.alloc(0);
  await withClient(async (scene) => {
    await connect(scene);
    hello = scene.sent.find((data) => data[0] === RECORD.handshake && data[13] === 1) ?? assert.fail();
  });
  return hello;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const poll = async (): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };
  await within(what, poll());
}

/** Nothing tells that something does not come: time enough for what is on its way over the loopback. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

test("a stranger's ClientHello, before the client's own, starts nothing and is not answered", async () => {
  const hello = await clientHello();
  await withClient(async (scene) => {
    await using stranger = await Stranger.at(scene.port);
    let greetings = 0;
    scene.client.connection.dtlsTransports[0]?.iceTransport.connection.onData.subscribe((data) => {
      if (data[0] === RECORD.handshake && data[13] === HELLO_VERIFY_REQUEST) greetings += 1;
    });
    const connected = connect(scene);
    const over = new AbortController();
    const flood = (async () => {
      for (; !over.signal.aborted; await new Promise((resolve) => setImmediate(resolve))) await stranger.send(hello);
    })();
    await connected.finally(() => over.abort());
    await flood;
    await isAlive(scene);
    await settled();
    assert.deepEqual(stranger.heard, []);
    assert.equal(greetings, 1, 'the answer to the one that the client sent');
  });
});

test('alerts, handshakes, media and noise from a stranger do not matter', async () => {
  const hello = await clientHello();
  await withClient(async (scene) => {
    await connect(scene);
    await using stranger = await Stranger.at(scene.port);
    await stranger.send(
      dtlsRecord(RECORD.alert, 0, 9, Buffer.of(1, 0)),
      dtlsRecord(RECORD.alert, 0, 10, Buffer.of(2, 40)),
      dtlsRecord(RECORD.alert, 1, 11, Buffer.of(1, 0, ...Buffer.alloc(24))),
      hello,
      ...[0, 1, 22, 128, 144, 255].map((first) => Buffer.concat([Buffer.of(first), Buffer.alloc(60, first)])),
    );
    await isAlive(scene);
    await settled();
    assert.deepEqual(stranger.heard, []);
  });
});

test("the same under the client's own address, as somebody can who forges it, does not matter either", async () => {
  const hello = await clientHello();
  await withClient(async (scene) => {
    await connect(scene);
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
    await isAlive(scene);
    // The keys are still those of the client: it is believed when it leaves.
    await scene.client.close();
    await scene.observed.reached('closed');
  });
});

test('SRTP is heard once, wherever it is sent from again', async () => {
  await withClient(async (scene) => {
    await connect(scene);
    await isAlive(scene);
    const packets = scene.sent.filter((data) => (data[0] ?? 0) >> 6 === 2 && (data[1] ?? 0) % 128 === 111);
    assert.equal(packets.length, 20);
    await using stranger = await Stranger.at(scene.port);
    await stranger.send(...packets);
    for (const packet of packets) await scene.sendAsClient(packet);
    scene.client.send(0, tones([880]), 20);
    const track = await scene.observed.track(0);
    await until('the next packets', () => track.stats().packetsReceived >= 40);
    assert.equal(track.stats().packetsReceived, 40);
  });
});

test('a certificate with another fingerprint than the offer has is refused', async () => {
  const wrong = (offer: string): string => offer.replaceAll(/^(a=fingerprint:\S+ )(..)/gm, (_, start: string, byte: string) => start + (byte === '00' ? '01' : '00'));
  await withClient(
    async ({ client, answer, observed }) => {
      await client.accept(answer);
      await observed.reached('closed');
      assert.ok(!observed.states.includes('connected'));
    },
    {},
    wrong,
  );
});

test('the right certificate without its key is refused', async () => {
  const own = await RTCDtlsTransport.SetupCertificate();
  await withClient(async ({ client, answer, observed }) => {
    const transport = client.connection.dtlsTransports[0] ?? assert.fail();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    transport.localCertificate = new RTCCertificate(privateKey.export({ type: 'pkcs8', format: 'pem' }), own.certPem, own.signatureHash);
    await client.accept(answer);
    await observed.reached('closed');
    assert.ok(!observed.states.includes('connected'));
  });
});

test('binding requests that are not authentic are not answered', async () => {
  await withClient(async (scene) => {
    await connect(scene);
    const ufrag = /^a=ice-ufrag:(\S+)/m.exec(scene.answer)?.[1] ?? '';
    const request = (): Message => new Message(methods.BINDING, classes.REQUEST).setAttribute('USERNAME', `${ufrag}:x`).setAttribute('PRIORITY', 1);
    await using stranger = await Stranger.at(scene.port);
    await stranger.send(request().addFingerprint().bytes, request().addMessageIntegrity(Buffer.from('guessed')).addFingerprint().bytes);
    const unknown = new Message(methods.BINDING, classes.REQUEST).setAttribute('USERNAME', 'nobody:x');
    await stranger.send(unknown.addMessageIntegrity(Buffer.from('guessed')).bytes);
    await isAlive(scene);
    await settled();
    assert.deepEqual(stranger.heard, []);
  });
});

test('packets beyond the rate are dropped, and only those of that second', async () => {
  const clock = new ManualClock();
  const limit = 20;
  await withClient(
    async (scene) => {
      await connect(scene);
      const track = await scene.observed.track(0);
      const received = (): number => track.stats().packetsReceived;
      scene.client.send(0, tones([440]));
      await until('as many as are allowed', () => received() === limit);
      scene.client.send(0, tones([440, 880, 440]), limit);
      await settled();
      clock.advance(1000);
      scene.client.send(0, tones([440]), limit * 4);
      await until('the next second', () => received() >= 2 * limit);
      assert.equal(received(), 2 * limit);
    },
    { clock, maxPacketsPerSecond: limit },
  );
});
