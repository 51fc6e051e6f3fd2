import assert from 'node:assert/strict';
import test from 'node:test';
import { SearchTurns } from './search-turns.ts';

test('turns come in the order in which they were asked for, one at a time', async () => {
  const turns = new SearchTurns();
  const log: string[] = [];
  const turn = (name: string) => async (): Promise<void> => {
    log.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`${name} ends`);
  };
  await Promise.all([turns.take(turn('one')), turns.take(turn('two')), turns.take(turn('three'))]);
  assert.deepEqual(log, ['one begins', 'one ends', 'two begins', 'two ends', 'three begins', 'three ends']);
});

test('a turn that fails is told to who took it, and the next one is taken', async () => {
  const turns = new SearchTurns();
  const failing = turns.take(() => Promise.reject(new Error('no such frame')));
  const next = turns.take(() => Promise.resolve('words'));
  await assert.rejects(failing, /no such frame/);
  assert.equal(await next, 'words');
  const broken = turns.take(() => {
    throw new Error('no such decoder');
  });
  await assert.rejects(broken, /no such decoder/);
  assert.equal(await turns.take(() => Promise.resolve('more words')), 'more words');
});

test('held turns begin when they are released, in their order', async () => {
  const turns = new SearchTurns();
  const log: string[] = [];
  turns.hold();
  turns.hold();
  const taken = Promise.all(['one', 'two'].map((name) => turns.take(() => Promise.resolve(log.push(name)))));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([turns.held, log], [true, []]);
  turns.release();
  await taken;
  assert.deepEqual([turns.held, log], [false, ['one', 'two']]);
});

test('who is held for long gets on all the same, a turn at a time', async () => {
  const turns = new SearchTurns(1);
  turns.hold();
  assert.deepEqual([await turns.take(() => Promise.resolve('one')), await turns.take(() => Promise.resolve('two'))], ['one', 'two']);
});

test('who is urgent when a turn begins comes first, and cuts a turn that is not', async () => {
  const turns = new SearchTurns();
  const log: string[] = [];
  let isEnded = false;
  const first = Promise.withResolvers<void>();
  const taken = [
    turns.take(() => first.promise.then(() => log.push('first'))),
    turns.take(() => Promise.resolve(log.push('open'))),
    turns.take(() => {
      log.push(`ended, held ${String(turns.held)}`);
      return Promise.resolve();
    }, () => isEnded),
    turns.take(() => Promise.resolve(log.push('urgent too')), () => isEnded),
  ];
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(turns.held, false);
  isEnded = true;
  assert.equal(turns.held, true);
  first.resolve();
  await Promise.all(taken);
  assert.deepEqual(log, ['first', 'ended, held false', 'urgent too', 'open']);
});

test('who is not urgent waits for a while at most', async () => {
  const turns = new SearchTurns(20);
  const log: string[] = [];
  const later = (): Promise<unknown> => turns.take(() => new Promise((resolve) => setTimeout(resolve, 10)), () => true).then(() => log.length === 0 ? later() : undefined);
  await Promise.all([later(), later(), turns.take(() => Promise.resolve(log.push('got on')))]);
  assert.deepEqual(log, ['got on']);
});
