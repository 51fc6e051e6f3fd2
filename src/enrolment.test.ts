import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { bytesOf, rawDecoder } from '../signaling/testing/raw-decoder.ts';
import { ManualClock } from './core/clock.ts';
import { joined, quiet } from './core/testing/audio.ts';
import { FakeDetectors } from './core/testing/fake-detector.ts';
import { Enrolment, type EnrolmentRequest } from './speakers/enrolment.ts';
import type { SpeakerEngine } from './speakers/speaker-engine.ts';
import { babble, HIGH } from './speakers/testing/voices.ts';
import { openFolderBlobs } from './stores/blobs.ts';
import { openSqliteStore } from './stores/sqlite.ts';
import { DataKey } from './tenancy/sealing.ts';

/* What is left of a voice on the disk, over the real store, files and encryption. */

const REFERENCE = Buffer.from(bytesOf(joined(quiet(500), babble(HIGH, 8, 1), quiet(500))));
const CONSENT = Buffer.from(bytesOf(babble(HIGH, 1, 2)));
const PRINT = Float64Array.of(1.25, -7.5, Math.PI);
const REQUEST: EnrolmentRequest = {
  tenantId: 't',
  displayName: 'Alice',
  languagePrimary: 'en',
  description: null,
  consent: { userFullName: 'Alice Example', statedPurpose: 'minutes', text: 'I agree.' },
  expiresAtMs: null,
  reference: REFERENCE,
  consentRecording: CONSENT,
};

/** Knows one voice, as soon as it is let. */
class FakeEngine implements SpeakerEngine {
  readonly measure = { id: 'fake', merge: (one: Float64Array) => one, difference: () => 0, speechSeconds: () => 8 };
  readonly #let = Promise.withResolvers<void>();

  release(): void {
    this.#let.resolve();
  }

  async listen(samples: Int16Array) {
    await this.#let.promise;
    return [{ startSample: 0, endSample: samples.length, print: PRINT }];
  }

  group() {
    return Promise.resolve([0]);
  }

  close() {
    return Promise.resolve();
  }
}

async function rig(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-enrolment-'));
  const store = await openSqliteStore(join(folder, 'x.sqlite'));
  const blobs = await openFolderBlobs(join(folder, 'speakers'));
  context.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const sealer = new DataKey(new Uint8Array(32)).sealer('biometric');
  const make = (engine = new FakeEngine()) => {
    const createDetector = new FakeDetectors().create;
    const enrolment = new Enrolment({ store: store.speakers, blobs, sealer, engine, decode: rawDecoder, createDetector, clock: new ManualClock(), nowMs: () => Date.now(), onFault: assert.ifError });
    return { engine, enrolment };
  };
  const recordings = (): Buffer[] => readdirSync(join(folder, 'speakers'), { recursive: true, withFileTypes: true }).filter((file) => file.isFile()).map((file) => readFileSync(join(file.parentPath, file.name)));
  const onDisk = (bytes: Uint8Array): boolean => [...recordings(), ...readdirSync(folder).filter((name) => name.startsWith('x.sqlite')).map((name) => readFileSync(join(folder, name)))].some((file) => file.includes(bytes));
  return { ...make(), make, blobs, recordings, onDisk };
}

test('recordings and print are only kept sealed; the reference goes with the print, all else with the speaker', async (context) => {
  const { engine, enrolment, recordings, onDisk } = await rig(context);
  const { id } = await enrolment.enrol(REQUEST);
  assert.equal(recordings().length, 2);
  for (const recording of [REFERENCE, CONSENT]) assert.equal(onDisk(recording.subarray(20_000, 20_064)), false);
  engine.release();
  await enrolment.settled();
  assert.equal((await enrolment.get('t', id)).status, 'ready');
  assert.deepEqual((await enrolment.knownVoices('t')).map(({ print }) => print), [PRINT]);
  assert.deepEqual([recordings().length, onDisk(new Uint8Array(PRINT.buffer))], [1, false]);
  await enrolment.erase('t', id);
  assert.deepEqual([recordings(), await enrolment.knownVoices('t')], [[], []]);
});

test('who is erased while the voice is looked at leaves no print', async (context) => {
  const { engine, enrolment, recordings } = await rig(context);
  const { id } = await enrolment.enrol(REQUEST);
  await enrolment.erase('t', id);
  engine.release();
  await enrolment.settled();
  assert.deepEqual([(await enrolment.get('t', id)).status, recordings(), await enrolment.knownVoices('t')], ['erased', [], []]);
});

test('what a killed server was looking at is looked at after the next start, and recordings of nobody are deleted then', async (context) => {
  const { enrolment, make, blobs, recordings } = await rig(context);
  const { id } = await enrolment.enrol(REQUEST);
  await blobs.write([REFERENCE] as unknown as AsyncIterable<Uint8Array>, { maxBytes: 1e6 });
  assert.equal(recordings().length, 3);
  const next = make();
  next.engine.release();
  await next.enrolment.start();
  await next.enrolment.settled();
  assert.deepEqual([(await next.enrolment.get('t', id)).status, recordings().length], ['ready', 1]);
  await next.enrolment.close();
});
