import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../src/core/clock.ts';
import type { MediaEngine } from '../../src/core/media-engine.ts';
import { classes, Message, methods } from 'werift';
import { isHandshake, MESSAGE, Scene, settled, Stranger, until } from './testing/attack-scene.ts';
import { tones } from './testing/tones.ts';
import { createWeriftEngine } from './werift.ts';
import type { WeriftEngineOptions } from './werift.ts';

// What werift alone promises, beside what every engine must (testing/attack-checks.ts).

async function withEngine(body: (engine: MediaEngine) => Promise<void>, options: WeriftEngineOptions = {}): Promise<void> {
  const engine = createWeriftEngine(options);
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

test('packets beyond the rate are dropped, and only those of that second', async () => {
  const clock = new ManualClock();
  const limit = 20;
  await withEngine(
    (engine) =>
      Scene.with(engine, async (scene) => {
        await scene.connect();
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
      }),
    { clock, maxPacketsPerSecond: limit },
  );
});
