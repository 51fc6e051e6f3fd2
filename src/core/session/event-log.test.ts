import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../clock.ts';
import type { NumberedEvent, TranscriptEvent, Utterance } from '../transcript.ts';
import { settle } from '../testing/audio.ts';
import { EventLog } from './event-log.ts';

const utterance = (id: string, text = ''): Utterance => ({ id, laneIndex: 0, text, words: [], startSample: 0, endSample: 0, stableWords: 0 });
const interim = (id: string, text = ''): TranscriptEvent => ({ type: 'utterance.interim', utterance: utterance(id, text) });
const final = (id: string): TranscriptEvent => ({ type: 'utterance.final', utterance: utterance(id), endedBy: 'silence' });
const flushed: TranscriptEvent = { type: 'session.flushed' };
const closed: TranscriptEvent = { type: 'session.closed', reason: 'finished', lanes: [] };

const told = (event: NumberedEvent): string =>
  event.type === 'utterance.interim' || event.type === 'utterance.final'
    ? `${String(event.seq)} ${event.type.slice(10)} ${event.utterance.id}${event.utterance.text}`
    : `${String(event.seq)} ${event.type}`;

async function readAll(log: EventLog, afterSeq = 0, signal?: AbortSignal): Promise<string[]> {
  const events: string[] = [];
  for await (const event of log.read(afterSeq, signal)) events.push(told(event));
  return events;
}

test('events are numbered from 1 and read from wherever a reader likes', async () => {
  const log = new EventLog();
  for (const event of [flushed, final('A'), flushed, closed]) log.append(event);
  assert.equal(log.lastSeq, 4);
  assert.deepEqual(await readAll(log), ['1 session.flushed', '2 final A', '3 session.flushed', '4 session.closed']);
  assert.deepEqual(await readAll(log, 2), ['3 session.flushed', '4 session.closed']);
  assert.deepEqual(await readAll(log, 4), [], 'all seen, and ended');
});

test('a reader that waits is given each event as it comes, until the end', async () => {
  const log = new EventLog();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const event of log.read(0)) seen.push(told(event));
  })();
  await settle();
  log.append(interim('A', '1'));
  await settle();
  assert.deepEqual(seen, ['1 interim A1']);
  log.append(interim('A', '2'));
  await settle();
  log.append(closed);
  await reading;
  assert.deepEqual(seen, ['1 interim A1', '2 interim A2', '3 session.closed']);
});

test('a slow reader is spared the superseded interims of each utterance, and no final', async () => {
  const log = new EventLog();
  for (const event of [interim('A', '1'), interim('B', '1'), interim('A', '2'), final('B'), interim('A', '3'), final('A'), closed]) {
    log.append(event);
  }
  assert.deepEqual(await readAll(log), ['4 final B', '6 final A', '7 session.closed']);
  assert.deepEqual(await readAll(log, 3), ['4 final B', '6 final A', '7 session.closed'], 'from the middle, too');
});

test('who asks for events that fell off the tail is told so', async () => {
  const log = new EventLog({ maxEvents: 3 });
  for (let count = 0; count < 5; count += 1) log.append(flushed);
  await assert.rejects(readAll(log, 0), { code: 'RESUME_GAP' });
  await assert.rejects(readAll(log, 1), { code: 'RESUME_GAP' });
  log.append(closed);
  assert.deepEqual(await readAll(log, 3), ['4 session.flushed', '5 session.flushed', '6 session.closed']);
});

test('a reader that falls behind the tail while it reads is told so, rather than given a hole', async () => {
  const log = new EventLog({ maxEvents: 2 });
  log.append(flushed);
  const reader = log.read(0);
  assert.equal((await reader.next()).value?.seq, 1);
  for (let count = 0; count < 3; count += 1) log.append(flushed);
  await assert.rejects(reader.next(), { code: 'RESUME_GAP' });
});

test('superseded interims do not count as a gap', async () => {
  const log = new EventLog({ maxEvents: 2 });
  log.append(flushed);
  for (let count = 0; count < 50; count += 1) log.append(interim('A', String(count)));
  log.append(final('A'));
  assert.deepEqual((await log.read(0).next()).value?.seq, 1);
});

test('a number that was never given is refused', async () => {
  const log = new EventLog();
  log.append(flushed);
  await assert.rejects(readAll(log, 2), { code: 'VALIDATION_ERROR' });
});

test('many readers, each at its own pace, see the same', async () => {
  const log = new EventLog();
  const early = [readAll(log), readAll(log)];
  await settle();
  for (let count = 0; count < 20; count += 1) log.append(final(`U${String(count)}`));
  const late = readAll(log);
  log.append(closed);
  const [one, two, three] = await Promise.all([...early, late]);
  assert.deepEqual(one, two);
  assert.deepEqual(one, three);
  assert.equal(one.length, 21);
});

test('an abort ends the reading at once and leaves no listener behind', async () => {
  const log = new EventLog();
  const gone = new AbortController();
  const reading = readAll(log, 0, gone.signal);
  await settle();
  gone.abort();
  assert.deepEqual(await reading, []);
  log.append(flushed);
  assert.deepEqual(await readAll(log, 0, gone.signal), [], 'aborted before');
});

test('nothing follows session.closed', async () => {
  const log = new EventLog();
  log.append(closed);
  log.append(final('A'));
  assert.deepEqual([await readAll(log), log.lastSeq], [['1 session.closed'], 1]);
});

test('delivery is timed for a reader that waited, not for one that catches up', async () => {
  const clock = new ManualClock();
  const times: number[] = [];
  const log = new EventLog({ timing: { clock, observe: (stage, ms) => stage === 'delivery' && times.push(ms) } });
  log.append(flushed);
  clock.advance(1000);
  const reader = log.read(0);
  await reader.next();
  const second = reader.next();
  await settle();
  log.append(flushed);
  await second;
  clock.advance(40);
  const third = reader.next();
  await settle();
  log.append(closed);
  await third;
  assert.deepEqual(times, [40]);
});

test('whenever a reader looks, it sees rising numbers and every event that is no interim', async () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('append' as const), id: fc.constantFrom('A', 'B', 'C'), isFinal: fc.boolean() }),
    fc.record({ type: fc.constant('read' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 200, size: 'max' }), async (steps) => {
      const log = new EventLog();
      const reader = log.read(0);
      const finals: number[] = [];
      const seen: NumberedEvent[] = [];
      const takeOne = async (): Promise<void> => {
        const next = await reader.next();
        if (!next.done) seen.push(next.value);
      };
      for (const each of steps) {
        if (each.type === 'read') {
          if ((seen.at(-1)?.seq ?? 0) < log.lastSeq) await takeOne();
          continue;
        }
        log.append(each.isFinal ? final(each.id) : interim(each.id));
        if (each.isFinal) finals.push(log.lastSeq);
      }
      log.append(closed);
      while (seen.at(-1)?.type !== 'session.closed') await takeOne();
      assert.ok(seen.every((event, index) => index === 0 || event.seq > (seen[index - 1]?.seq ?? 0)));
      assert.deepEqual(seen.filter((event) => event.type === 'utterance.final').map((event) => event.seq), finals);
    }),
    { numRuns: 60 },
  );
});

test('a final that is being kept, and what follows it, is told to nobody before it is; what came before is', async () => {
  const log = new EventLog();
  const keeping: PromiseWithResolvers<void>[] = [];
  log.keepFinals(() => {
    const one = Promise.withResolvers<void>();
    keeping.push(one);
    return one.promise;
  });
  const said = (id: string): TranscriptEvent => ({ type: 'utterance.final', utterance: { ...utterance(id), words: [{ text: id, startSample: 0, endSample: 1 }] }, endedBy: 'silence' });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const event of log.read(0)) seen.push(told(event));
  })();
  for (const event of [final('empty'), said('A'), flushed, said('B'), closed]) log.append(event);
  await settle();
  assert.deepEqual([seen, log.soFar().utterances, keeping.length], [['1 final empty'], [], 2]);
  // Whichever is kept first, none is told out of its order.
  keeping[1]?.resolve();
  await settle();
  assert.deepEqual(seen, ['1 final empty']);
  keeping[0]?.reject(new Error('full'));
  await reading;
  assert.deepEqual(seen, ['1 final empty', '2 final A', '3 session.flushed', '4 final B', '5 session.closed']);
  assert.deepEqual(log.soFar().utterances.map(({ id }) => id), ['A', 'B']);
});

test('other work has its turn while very many readers are woken; all are given the event', async () => {
  const log = new EventLog();
  const readers = 1000;
  let given = 0;
  const reading = Array.from({ length: readers }, async () => {
    for await (const event of log.read(0)) if (event.type === 'session.flushed') given += 1;
  });
  await settle();
  log.append(flushed);
  const turns: number[] = [];
  for (; given < readers && turns.length < readers; turns.push(given)) await settle();
  assert.equal(given, readers);
  assert.ok((turns[0] ?? readers) < readers / 2, `given in the first turn: ${String(turns[0])}`);
  log.append(closed);
  await Promise.all(reading);
});
