import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { lowerPriority } from './priority.ts';

const THREADED = `
  const { pbkdf2 } = require('node:crypto');
  const compute = () => pbkdf2('a', 'b', 1, 8, 'sha1', () => undefined);
  for (let thread = 0; thread < 8; thread += 1) compute();
  setTimeout(() => process.stdout.write('up'), 0);
  setInterval(compute, 1000);
`;

test('every thread of a process is lowered, those that computed before too', { skip: process.platform !== 'linux' }, async () => {
  const child = spawn(process.execPath, ['-e', THREADED], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;
    lowerPriority(pid, 3);
    const threads = readdirSync(`/proc/${String(pid)}/task`).map(Number);
    assert.ok(threads.length > 4, 'it has a pool of threads');
    assert.deepEqual(new Set(threads.map((thread) => getPriority(thread))), new Set([getPriority() + 3]));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('a process that is gone has no priority, and that is no fault', async () => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await once(child, 'exit');
  lowerPriority(child.pid ?? 0, 10);
});
