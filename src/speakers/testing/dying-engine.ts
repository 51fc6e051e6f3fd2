import { existsSync, writeFileSync } from 'node:fs';
import type { ToEngine } from '../engine-messages.ts';

/**
 * An engine process with faults, by the number of samples it is asked about: 1 ends the process always, 2 the first time only (the
 * argument names a file that remembers it), 3 never answers, 4 cannot be answered. Others are answered with one voice.
 */
const [memory = ''] = process.argv.slice(2);
if (memory === 'unstartable') process.exit(3);

process.on('message', ({ id, ...question }: ToEngine) => {
  if (question.ask !== 'listen') return;
  const count = question.samples.length;
  if (count === 1) process.exit(1);
  if (count === 2 && !existsSync(memory)) {
    writeFileSync(memory, '');
    process.kill(process.pid, 'SIGSEGV');
  } else if (count === 4) process.send?.({ id, fault: 'no' });
  else if (count !== 3) process.send?.({ id, heard: [{ startSample: 0, endSample: count, print: Float64Array.of(1) }] });
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
