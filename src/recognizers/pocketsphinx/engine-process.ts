import { flushCompileCache } from 'node:module';
import { SearchTurns } from '../adapters/search-turns.ts';
import { DecoderPool } from './decoder-pool.ts';
import { LaneSearch } from './lane-search.ts';
import { modelPaths } from './library.ts';
import type { FromEngine, ToEngine } from './messages.ts';

/**
 * Entry of an engine process: `engine-process.ts MODEL_FOLDER MAX_DECODERS live|batch`, forked with an IPC channel.
 * It holds all native recognition code. If that aborts, this process ends and nothing else does.
 */
const [folder = '', maxDecoders = '1', priority = 'batch'] = process.argv.slice(2);
const model = modelPaths(folder);
const pool = new DecoderPool(model, Number(maxDecoders));
const turns = new SearchTurns();
const lanes = new Map<number, LaneSearch>();

function send(message: FromEngine): void {
  process.send?.(message);
}

function receive(message: ToEngine): void {
  if (message.type === 'open') {
    send({ type: 'opened', stream: message.stream });
    lanes.set(message.stream, new LaneSearch(message.stream, model, pool, turns, message.state, send, { keepsPace: priority === 'live', lanes: () => lanes.size }));
    return;
  }
  if (message.type === 'hold') {
    turns.hold();
    return;
  }
  if (message.type === 'release') {
    turns.release();
    return;
  }
  const lane = lanes.get(message.stream);
  if (!lane) return;
  switch (message.type) {
    case 'audio':
      // Copied: the channel may hand out memory that is not aligned to samples.
      lane.write(message.startSample, Int16Array.from(message.samples));
      return;
    case 'begin':
      lane.begin(message.segment, message.startSample);
      return;
    case 'pause':
      lane.pause(message.atSample);
      return;
    case 'resume':
      lane.resume();
      return;
    case 'end':
      lane.end(message.endSample);
      return;
    case 'close':
      lane.close();
      lanes.delete(message.stream);
      return;
  }
}

process.on('message', receive);
// The server is gone: there is nobody to work for.
process.on('disconnect', () => process.exit(0));
// A terminal's Ctrl-C reaches the whole group; the server decides when its engines end.
process.on('SIGINT', () => undefined);
// It will be killed, and then keeps nothing of what was compiled.
flushCompileCache();
send({ type: 'ready' });
