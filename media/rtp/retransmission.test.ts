import assert from 'node:assert/strict';
import test from 'node:test';
import { PacketIntake } from './packet-intake.ts';
import { nackedNumbers, PACKET_MS, plainPacket, playLossyCall } from './testing/lossy-call.ts';

const NEARLY_ALL = 0.003;

for (const [loss, burst] of [[0.1, 1], [0.3, 1], [0.1, 4], [0.2, 4]] as const) {
  test(`of ${String(loss * 100)} % lost in bursts of ${String(burst)}, both ways, with a round trip of 40 ms, nearly all comes again in time`, () => {
    const { missing, resent } = playLossyCall({ loss, burst, packets: 5000 });
    assert.ok(missing <= NEARLY_ALL, `${String(missing * 100)} % did not`);
    assert.ok(resent <= loss * 2.5, `${String(resent)} sent again for each packet`);
  });
}

test('on a network without loss nothing is asked for, and nothing waited for', () => {
  const { missing, resent, stats } = playLossyCall({ loss: 0, packets: 1000 });
  assert.deepEqual([missing, resent, stats.retransmissionsAsked], [0, 0, 0]);
});

test('what an engine asks for by itself is waited for as long', () => {
  const { missing, stats } = playLossyCall({ loss: 0.2, packets: 5000, engineAsksEveryMs: 40 });
  assert.ok(missing <= NEARLY_ALL, `${String(missing * 100)} % did not come in time`);
  assert.deepEqual([stats.retransmissionsAsked, stats.recoveredByRetransmission], [0, 0], 'it counts them by itself');
});

/** A sender of a packet every 20 ms, of which every fifth is lost; asked for one, it sends it again `answerMs` later, if at all. */
class Sender {
  readonly #intake: PacketIntake;
  readonly #resent: { readonly atMs: number; readonly number: number }[] = [];
  #nowMs = 0;
  #number = 1;
  asked = 0;
  lost = 0;
  answerMs: number | undefined;

  constructor() {
    const sendRtcp = (rtcp: Uint8Array): void => {
      const numbers = nackedNumbers(rtcp);
      this.asked += numbers.length;
      for (const number of numbers) if (this.answerMs !== undefined) this.#resent.push({ atMs: this.#nowMs + this.answerMs, number });
    };
    this.#intake = new PacketIntake({ formats: { opus: [111], red: [], rtx: [], nack: true }, sendRtcp });
  }

  send(packets: number): { readonly lost: number; readonly waitMs: number; readonly asked: number } {
    const before = { lost: this.lost, asked: this.asked };
    for (const end = this.#nowMs + packets * PACKET_MS; this.#nowMs < end; this.#nowMs += 1) {
      for (const { number } of this.#resent.filter(({ atMs }) => atMs === this.#nowMs)) this.#intake.push(plainPacket(number), this.#nowMs);
      if (this.#nowMs % PACKET_MS === 0 && (this.#number += 1) % 5 !== 0) this.#intake.push(plainPacket(this.#number), this.#nowMs);
      for (const item of this.#intake.pop(this.#nowMs)) if (item.kind === 'lost') this.lost += item.count;
    }
    return { lost: this.lost - before.lost, asked: this.asked - before.asked, waitMs: this.#intake.stats().targetDelayMs };
  }
}

test('a sender that answered nothing for long, and then does, is believed again', () => {
  const sender = new Sender();
  assert.equal(sender.send(1000).waitMs, 30, 'not worth a wait');
  const deaf = sender.send(500);
  assert.ok(deaf.asked > 0 && deaf.asked <= 20, `${String(deaf.asked)} of 100 asked for`);
  sender.answerMs = 40;
  sender.send(100);
  assert.equal(sender.send(500).lost, 0);
});

test('a path that was too long for answers, and is no more, is used again', () => {
  const sender = new Sender();
  sender.answerMs = 500;
  const long = sender.send(500);
  assert.equal(long.waitMs, 30);
  assert.ok(long.asked < 50, `${String(long.asked)} asked for`);
  sender.answerMs = 40;
  sender.send(500);
  assert.equal(sender.send(500).lost, 0);
});
