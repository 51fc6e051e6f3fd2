import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '../../client/browser.ts';
import { pageProblem, sentenceFor } from './problem.ts';

test('a known code has a sentence of its own, an unknown one the server\'s message', () => {
  assert.match(sentenceFor(pageProblem('MICROPHONE_DENIED')), /Allow it/);
  assert.equal(sentenceFor(new Problem('NEW_CODE', 'Said by the server.')), 'Said by the server.');
  assert.equal(sentenceFor(new Problem('NEW_CODE')), 'Something went wrong.');
});

test('when to try again is said in whole seconds', () => {
  assert.match(sentenceFor(new Problem('CAPACITY_EXCEEDED', '', 0.4)), /busy\. Try again in 1 second\.$/);
  assert.match(sentenceFor(new Problem('CAPACITY_EXCEEDED', '', 4.2)), /Try again in 5 seconds\.$/);
});
