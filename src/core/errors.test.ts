import assert from 'node:assert/strict';
import test from 'node:test';
import { EarshotError, ERRORS, toEarshotError } from './errors.ts';

test('every code has an HTTP error status, a WebSocket close code and a meaning', () => {
  for (const [code, rule] of Object.entries(ERRORS)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.ok(rule.httpStatus >= 400 && rule.httpStatus < 600, code);
    // RFC 6455, section 7.4: what an endpoint may send, without the reserved 1004 to 1006 and 1015.
    assert.ok([1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013].includes(rule.closeCode), code);
    assert.match(rule.meaning, /^[A-Z].*\.$|`/, code);
  }
});

test('what says "try again" is retryable, and a fault of the request is not', () => {
  for (const [code, { closeCode, httpStatus, retryable }] of Object.entries(ERRORS)) {
    // What a relay answers in the wrong shape, it will answer so again.
    if ((closeCode === 1013 || httpStatus >= 502) && code !== 'UPSTREAM_SHAPE_MISMATCH') assert.equal(retryable, true, code);
    if ([400, 401, 403, 404, 405, 413, 415, 422].includes(httpStatus)) assert.equal(retryable, false, code);
  }
});

test('an error carries its rule, its cause and what a client needs', () => {
  const cause = new Error('disk full');
  const details = [{ field: 'x', message: 'y' }];
  const error = new EarshotError('CAPACITY_EXCEEDED', 'Full.', { cause, retryAfterSeconds: 5, details });
  assert.equal(error.cause, cause);
  assert.equal(error.rule, ERRORS.CAPACITY_EXCEEDED);
  assert.equal(error.retryAfterSeconds, 5);
  assert.equal(error.details, details);
  assert.ok(!('cause' in new EarshotError('INTERNAL', 'x')));
});

test('whatever is thrown becomes an EarshotError that tells a client nothing of the inside', () => {
  const known = new EarshotError('AUDIO_EMPTY', 'Empty.');
  assert.equal(toEarshotError(known), known);
  for (const thrown of [new Error('/etc/secret'), 'text', null, undefined, { code: 'AUDIO_EMPTY' }]) {
    const error = toEarshotError(thrown);
    assert.equal(error.code, 'INTERNAL');
    assert.equal(error.cause, thrown);
    assert.doesNotMatch(error.message, /secret/);
  }
});
