import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findJob } from './audiopod-record.ts';
import type { HttpServices } from './services.ts';

test('a session that has just ended is waited for until its job is written', async () => {
  const told: string[] = [];
  const written = Promise.withResolvers<void>();
  const services = {
    jobs: {
      idOf: () => Promise.resolve('job_1'),
      get: () => {
        told.push('read');
        return Promise.resolve({ id: 'job_1' });
      },
    },
    recorder: { following: () => ({ session: { state: 'closed' }, startedAtMs: 0, written: written.promise.then(() => told.push('written')) }) },
  } as unknown as HttpServices;
  const found = findJob(services, 't1', '7');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, []);
  written.resolve();
  assert.equal((await found).number, 7);
  assert.deepEqual(told, ['written', 'read']);
});
