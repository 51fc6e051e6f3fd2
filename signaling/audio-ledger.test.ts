import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { AudioLedger } from './audio-ledger.ts';

const FRAME_BYTES = 2;
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
/** Bytes that do not repeat. */
const speech = (length: number, seed = 1): Uint8Array => {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + ((state >>> 16) % 255);
  });
};
const ledgerOf = (options: { readonly acknowledging?: boolean; readonly maxWindowBytes?: number; readonly silenceStepBytes?: number } = {}): AudioLedger =>
  new AudioLedger({ frameBytes: FRAME_BYTES, acknowledging: true, ...options });

test('acknowledgements count over the whole session and end between two samples', () => {
  const ledger = ledgerOf();
  ledger.take(speech(3));
  assert.deepEqual(ledger.acknowledge(), [0, 2]);
  assert.equal(ledger.acknowledge(), undefined);
  ledger.take(speech(3));
  assert.deepEqual(ledger.acknowledge(), [2, 6]);
});

test('bytes after an acknowledgement that the client saw are taken once', () => {
  const ledger = ledgerOf();
  const sent = speech(300);
  ledger.take(sent.subarray(0, 100));
  ledger.acknowledge();
  ledger.take(sent.subarray(100, 200));
  ledger.resume();
  assert.deepEqual([...ledger.take(sent.subarray(100))], [...sent.subarray(200)]);
  assert.deepEqual(ledger.acknowledge(), [100, 300]);
});

test('bytes after an acknowledgement that was lost are taken once too, in whatever pieces they come', () => {
  const ledger = ledgerOf();
  const sent = speech(400);
  ledger.take(sent.subarray(0, 200));
  ledger.acknowledge();
  ledger.take(sent.subarray(200, 300));
  ledger.acknowledge();
  ledger.resume();
  const taken = [sent.subarray(0, 50), sent.subarray(50, 310), sent.subarray(310)].flatMap((piece) => [...ledger.take(piece)]);
  assert.deepEqual(taken, [...sent.subarray(300)]);
});

test('a client that needs to be told again is told, though nothing was new', () => {
  const ledger = ledgerOf();
  const sent = speech(200);
  ledger.take(sent);
  assert.deepEqual(ledger.acknowledge(), [0, 200]);
  ledger.resume();
  assert.equal(ledger.take(sent).length, 0);
  assert.deepEqual(ledger.acknowledge(), [200, 200]);
});

test('a client that does not repeat is heard', () => {
  const ledger = ledgerOf();
  ledger.take(speech(200));
  ledger.acknowledge();
  ledger.resume();
  assert.equal(ledger.take(speech(100, 7)).length, 100);
});

test('a loss in the middle of a repetition begins anew', () => {
  const ledger = ledgerOf();
  const sent = speech(300);
  ledger.take(sent.subarray(0, 200));
  ledger.resume();
  assert.equal(ledger.take(sent.subarray(0, 150)).length, 0);
  assert.ok(ledger.undecided);
  ledger.resume();
  assert.deepEqual([...ledger.take(sent)], [...sent.subarray(200)]);
});

test('in silence acknowledgements stay where it began, so that what comes again is known', () => {
  const ledger = ledgerOf();
  const sent = Uint8Array.from([...speech(100), ...new Uint8Array(200), ...speech(60, 3)]);
  ledger.take(sent.subarray(0, 100));
  assert.deepEqual(ledger.acknowledge(), [0, 100]);
  for (const place of [100, 200]) {
    ledger.take(sent.subarray(place, place + 100));
    assert.ok(ledger.doubtful, 'the one before the silence was not answered');
    assert.deepEqual(ledger.acknowledge(), [100, 100], 'each piece is answered');
  }
  ledger.resume();
  assert.deepEqual([...ledger.take(sent.subarray(100))], [...sent.subarray(300)]);
  assert.ok(!ledger.doubtful);
  assert.deepEqual(ledger.acknowledge(), [100, 360]);
});

test('long silence is acknowledged in steps, one at a time; one that was not answered was not seen', () => {
  const step = 1000;
  const ledger = ledgerOf({ silenceStepBytes: step });
  const acks = (steps: number): unknown[] => Array.from({ length: steps }, () => {
    ledger.take(new Uint8Array(step));
    return ledger.acknowledge();
  });
  assert.deepEqual(acks(2), [[0, step], [step, step]]);
  ledger.confirm(step);
  assert.deepEqual(acks(1), [[step, 3 * step]]);
  ledger.resume();
  assert.equal(ledger.take(new Uint8Array(3 * step)).length, step);
  // Had it seen it all the same, it has counted a step more, and is told of no more than it sent.
  ledger.take(speech(60));
  assert.deepEqual(ledger.acknowledge(), [3 * step, 4 * step + 60]);
});

test('at the end all is acknowledged, silence too', () => {
  const ledger = ledgerOf();
  ledger.take(new Uint8Array(100));
  assert.deepEqual(ledger.acknowledge(), [0, 0]);
  assert.equal(ledger.settle().length, 0);
  assert.deepEqual(ledger.acknowledge(), [0, 100]);
});

test('confirmed acknowledgements are forgotten with their bytes, and what never is confirmed is bounded', () => {
  const ledger = ledgerOf({ maxWindowBytes: 1000 });
  const sent = speech(4000);
  for (let offset = 0; offset < sent.length; offset += 100) ledger.take(sent.subarray(offset, offset + 100));
  ledger.acknowledge();
  ledger.confirm(4000);
  ledger.resume();
  assert.equal(ledger.take(speech(100, 5)).length, 100);
  const unconfirmed = ledgerOf();
  let told = 0;
  for (let count = 0; count < 200; count += 1) {
    unconfirmed.take(speech(2));
    if (unconfirmed.acknowledge()) told += 1;
  }
  assert.equal(told, 64);
});

test('a client that is never told anything sends all since it joined', () => {
  const ledger = ledgerOf({ acknowledging: false });
  const sent = speech(400);
  ledger.take(sent.subarray(0, 100));
  assert.equal(ledger.acknowledge(), undefined);
  ledger.resume();
  ledger.take(sent.subarray(100, 200));
  ledger.resume();
  assert.deepEqual([...ledger.take(sent.subarray(100, 300))], [...sent.subarray(200, 300)]);
});

test('at the end what was held is taken if it is new', () => {
  const ledger = ledgerOf();
  ledger.take(bytes(0, 0, 0, 0));
  ledger.resume();
  assert.equal(ledger.take(bytes(0, 0)).length, 0);
  assert.equal(ledger.settle().length, 0);
  const other = ledgerOf();
  other.take(bytes(1, 2, 3, 4));
  other.acknowledge();
  other.resume();
  assert.deepEqual([...other.take(bytes(9))], [9]);
});

/**
 * A client as the vendors' are: keeps all that is not acknowledged, sends it again on every new connection. The network delivers a
 * beginning of what was sent in each direction, and then is cut.
 */
class Client {
  readonly #ledger: AudioLedger;
  readonly #stream: Uint8Array;
  readonly heard: number[] = [];
  /** Of the stream, in the client's own count. */
  #acked = 0;
  #produced = 0;
  /** What the client believes that its buffer begins with. */
  #kept: number[] = [];
  #toServer: (Uint8Array | { readonly pong: number })[] = [];
  #toClient: { readonly ack: number; readonly ping?: true }[] = [];

  constructor(stream: Uint8Array, ledger: AudioLedger) {
    this.#stream = stream;
    this.#ledger = ledger;
  }

  get done(): boolean {
    return this.#produced === this.#stream.length && this.#toServer.length === 0;
  }

  speak(count: number): void {
    const piece = this.#stream.subarray(this.#produced, this.#produced + count);
    if (piece.length === 0) return;
    this.#produced += piece.length;
    this.#kept.push(...piece);
    this.#toServer.push(piece);
  }

  serverReads(count: number): void {
    for (const item of this.#toServer.splice(0, count)) {
      if (!(item instanceof Uint8Array)) {
        this.#ledger.confirm(item.pong);
        continue;
      }
      this.heard.push(...this.#ledger.take(item));
      const range = this.#ledger.acknowledge();
      if (range) this.#toClient.push({ ack: range[1], ping: true });
    }
  }

  clientReads(count: number): void {
    for (const { ack } of this.#toClient.splice(0, count)) {
      assert.ok(ack >= this.#acked, 'acknowledgements never go back');
      assert.ok(ack - this.#acked <= this.#kept.length, 'nothing is acknowledged that was not sent');
      this.#kept.splice(0, ack - this.#acked);
      this.#acked = ack;
      this.#toServer.push({ pong: ack });
    }
  }

  cut(): void {
    this.#toServer = [];
    this.#toClient = [];
    this.#ledger.resume();
    if (this.#kept.length > 0) this.#toServer.push(Uint8Array.from(this.#kept));
  }

  finish(): void {
    while (!this.done) {
      this.speak(50);
      this.serverReads(100);
      this.clientReads(100);
    }
    this.heard.push(...this.#ledger.settle());
  }
}

type Deed = readonly [kind: 'speak' | 'server' | 'client' | 'cut', count: number];
const deeds = fc.array(
  fc.tuple(fc.constantFrom<Deed[0]>('speak', 'speak', 'server', 'server', 'client', 'client', 'cut'), fc.integer({ min: 1, max: 6 })),
  { minLength: 10, maxLength: 120 },
);

function heardBy(stream: Uint8Array, script: readonly Deed[], pieceBytes: number): number[] {
  const client = new Client(stream, ledgerOf({ silenceStepBytes: 256 }));
  for (const [kind, count] of script) {
    if (kind === 'speak') client.speak(count * pieceBytes);
    else if (kind === 'server') client.serverReads(count);
    else if (kind === 'client') client.clientReads(count);
    else client.cut();
  }
  client.finish();
  return client.heard;
}

test('whatever is cut and lost: speech is heard once, byte for byte', () => {
  const property = fc.property(deeds, fc.integer(), fc.constantFrom(33, 64, 101), (script, seed, pieceBytes) => {
    const stream = speech(80 * pieceBytes, Math.abs(seed) + 1);
    assert.deepEqual(heardBy(stream, script, pieceBytes), [...stream]);
  });
  fc.assert(property, { numRuns: 2000, seed: 20_261 });
});

test('whatever is cut and lost: with digital silence between, speech still is heard once', () => {
  const stretches = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 50, max: 700 })), { minLength: 2, maxLength: 16 });
  const property = fc.property(deeds, stretches, fc.constantFrom(32, 64, 100), (script, parts, pieceBytes) => {
    const whole = Uint8Array.from(parts.flatMap(([silent, frames], index) => [...(silent ? new Uint8Array(frames * 2) : speech(frames * 2, index + 1))]));
    // No piece is so short that it proves nothing.
    const stream = Uint8Array.from([...whole, ...speech(pieceBytes - (whole.length % pieceBytes), 99)]);
    const heard = heardBy(stream, script, pieceBytes);
    assert.deepEqual(
      heard.filter((byte) => byte !== 0),
      [...stream].filter((byte) => byte !== 0),
    );
    assert.equal(heard.length % 2, stream.length % 2, 'samples stay whole');
  });
  fc.assert(property, { numRuns: 2000, seed: 20_262 });
});
