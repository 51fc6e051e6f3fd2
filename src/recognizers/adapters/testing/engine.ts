/**
 * An engine process for tests of the pool: `engine.ts BEHAVIOUR [MARKER]`, forked with an IPC channel.
 * `good` echoes; `slow` is ready only when the file MARKER exists; `never` is never ready; `refuses` fails with a message;
 * `exits` ends without one; `hasty` ends right after its first ready, by the file MARKER the next time it is good;
 * `short-lived` does so every time.
 */
import { existsSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';

const [behaviour = 'good', marker = ''] = process.argv.slice(2);

interface Said {
  readonly type: 'say' | 'die' | 'environment';
  readonly stream: number;
  readonly text?: string;
  readonly samples?: Int16Array;
}

function serve(): void {
  process.on('message', ({ type, stream, text, samples }: Said) => {
    if (type === 'die') process.kill(process.pid, 'SIGKILL');
    if (type === 'environment') process.send?.({ type: 'heard', stream, text: process.env[text ?? ''] });
    else process.send?.({ type: 'heard', stream, text, samples });
  });
  process.send?.({ type: 'ready' });
}

process.on('disconnect', () => process.exit(0));
switch (behaviour) {
  case 'never':
    process.on('message', () => undefined);
    break;
  case 'refuses':
    throw new Error('The model is broken.');
  case 'exits':
    process.exit(3);
    break;
  case 'slow': {
    process.on('message', () => undefined);
    const look = (): void => {
      if (!existsSync(marker)) return;
      watcher.close();
      serve();
    };
    const watcher = watch(path.dirname(marker), look);
    look();
    break;
  }
  case 'short-lived':
    process.send?.({ type: 'ready' }, () => process.exit(1));
    break;
  case 'hasty':
    if (existsSync(marker)) serve();
    else {
      writeFileSync(marker, '');
      process.send?.({ type: 'ready' }, () => process.exit(1));
    }
    break;
  default:
    serve();
}
