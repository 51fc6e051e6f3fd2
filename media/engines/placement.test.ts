import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeFor } from './placement.ts';

test('one place is filled after the other, then all alike', () => {
  const places = [{ busy: 0 }, { busy: 0 }, { busy: 0 }];
  const history = Array.from({ length: 8 }, () => {
    const place = placeFor(places, ({ busy }) => busy, 2);
    if (place) place.busy += 1;
    return places.map(({ busy }) => busy).sort().join('');
  });
  assert.deepEqual(history, ['001', '002', '012', '022', '122', '222', '223', '233']);
});

test('a place that has lost some is filled first', () => {
  const places = [{ busy: 3 }, { busy: 1 }, { busy: 0 }];
  assert.equal(placeFor(places, ({ busy }) => busy, 2), places[1]);
});

test('there may be no place', () => {
  assert.equal(placeFor<number>([], (busy) => busy, 2), undefined);
});
