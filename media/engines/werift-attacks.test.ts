import assert from 'node:assert/strict';
import test from 'node:test';
import type { MediaEngine } from '../../src/core/media-engine.ts';
import { classes, Message, methods } from 'werift';
import { isHandshake, MESSAGE, RECORD, Scene, settled, Stranger } from './testing/attack-scene.ts';
import { eventually, within } from './testing/observed.ts';
import { createWeriftEngine } from './werift.ts';

// What werift alone promises, beside what every engine must (testing/attack-checks.ts).

const BINDING_REQUEST = 0x0001;

async function withEngine(body: (engine: MediaEngine) => Promise<void>): Promise<void> {
  const engine = createWeriftEngine();
  await body(engine).finally(() => engine.close());
}

test("a client's one ClientHello is answered once", async () => {
  await withEngine((engine) =>
    Scene.with(engine, async (scene) => {
      await scene.connect();
      assert.equal(scene.received.filter((data) => isHandshake(data, MESSAGE.helloVerifyRequest)).length, 1);
    }),
  );
});

test('a first ClientHello that comes twice, and again behind the second, begins one handshake', async () => {
  await withEngine((engine) => {
    const hellos: Buffer[] = [];
    let repeat: () => Promise<void> = () => Promise.resolve();
    const sent = (data: Buffer): Buffer => {
      if (isHandshake(data, MESSAGE.clientHello) && hellos.push(data) <= 2) setImmediate(() => void repeat());
      return data;
    };
    const body = async (scene: Scene): Promise<void> => {
      repeat = () => scene.sendAsClient(hellos[0] ?? assert.fail());
      await scene.connect();
      await scene.isAlive();
      assert.equal(hellos.length, 2);
    };
    return Scene.with(engine, body, { sent });
  });
});

test('a last flight that comes twice at once makes one handshake', async () => {
  await withEngine((engine) => {
    const flight: Buffer[] = [];
    let repeat: (data: Buffer) => Promise<void> = () => Promise.resolve();
    const sent = (data: Buffer): Buffer => {
      if (!isHandshake(data, MESSAGE.clientHello)) flight.push(data);
      const isFinished = data[0] === RECORD.handshake && data[4] === 1;
      if (isFinished) for (const each of flight.splice(0)) void repeat(each);
      return data;
    };
    const body = async (scene: Scene): Promise<void> => {
      repeat = (data) => scene.sendAsClient(data);
      await scene.connect();
      await scene.isAlive();
    };
    return Scene.with(engine, body, { sent });
  });
});

test('a Finished that comes again, when the handshake is long forgotten, is answered as it was', async () => {
  await withEngine((engine) =>
    Scene.with(engine, async (scene) => {
      await scene.connect();
      const lastFlights = (): string[] => scene.received.filter((data) => data[0] === RECORD.changeCipherSpec).map((data) => data.toString('hex'));
      const [first] = lastFlights();
      await scene.sendAsClient(scene.sent.find((data) => data[0] === RECORD.handshake && data[4] === 1) ?? assert.fail());
      await eventually('the last flight again', () => lastFlights().length === 2);
      assert.equal(lastFlights()[1], first);
      await scene.isAlive();
    }),
  );
});

test('binding requests that are not authentic are not answered at all', async () => {
  await withEngine((engine) =>
    Scene.with(engine, async (scene) => {
      const ufrag = /^a=ice-ufrag:(\S+)/m.exec(scene.answer)?.[1] ?? '';
      const request = new Message(methods.BINDING, classes.REQUEST).setAttribute('USERNAME', `${ufrag}:x`).setAttribute('PRIORITY', 1);
      await using stranger = await Stranger.at(scene.port);
      await stranger.send(request.addMessageIntegrity(Buffer.from('guessed')).addFingerprint().bytes);
      await settled();
      assert.deepEqual(stranger.heard, []);
    }),
  );
});

test('a request for consent that is lost is repeated', async () => {
  await withEngine((engine) =>
    Scene.with(engine, async (scene) => {
      await scene.connect();
      const { connection } = scene.client.connection.dtlsTransports[0]?.iceTransport ?? assert.fail();
      const repeated = Promise.withResolvers<void>();
      const transactions = new Set<string>();
      const lose = (data: Buffer): void => {
        const id = data.toString('hex', 8, 20);
        if (transactions.has(id)) repeated.resolve();
        if (data.readUInt16BE(0) === BINDING_REQUEST) transactions.add(id);
      };
      for (const protocol of (connection as unknown as { readonly protocols: readonly object[] }).protocols) Object.assign(protocol, { datagramReceived: lose });
      await within('consent is asked for again', repeated.promise);
    }),
  );
});
