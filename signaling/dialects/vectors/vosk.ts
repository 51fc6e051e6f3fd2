import { HELLO_WORLD, type DialectVector } from './vector.ts';

const opened = (sampleRateHz: number): object => ({ type: 'open', request: { format: { container: 'raw', encoding: 's16', sampleRateHz, channels: 1 } } });
const result = [
  { conf: 0.9, start: 1, end: 1.3, word: 'hello' },
  { conf: 0.7, start: 1.3, end: 1.8, word: 'World' },
];
const closed = { type: 'session.closed', reason: 'finished', lanes: [] } as const;

export const VOSK_VECTORS: readonly DialectVector[] = [
  {
    name: 'config, audio, partials and results, eof',
    proves: ['`config`, audio, partials, results, `eof`', '`words`'],
    steps: [
      { client: '{"config":{"sample_rate":16000}}', commands: [] },
      { client: { binary: 'abcd' }, commands: [opened(16_000), { type: 'audio', binary: 'abcd' }] },
      { client: { binary: 'ef' }, commands: [{ type: 'audio', binary: 'ef' }] },
      { event: { type: 'utterance.interim', utterance: HELLO_WORLD }, frames: [{ partial: 'hello World' }] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'silence' }, frames: [{ result, text: 'hello World' }] },
      { client: '{"eof" : 1}', commands: [{ type: 'finish' }] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'request' }, frames: [] },
      { event: closed, frames: [{ result, text: 'hello World' }] },
    ],
  },
  { name: 'an error is the last word', steps: [{ error: 'BACKEND_ERROR', closeCode: 1011, frames: [{ error: 'x', code: 'BACKEND_ERROR' }] }] },
  {
    name: 'without config and with nothing said',
    proves: ['`config`, audio, partials, results, `eof`'],
    steps: [
      { client: { binary: 'ab' }, commands: [opened(8000), { type: 'audio', binary: 'ab' }] },
      { client: '{"eof":1}', commands: [{ type: 'finish' }] },
      { event: closed, frames: [{ text: '' }] },
    ],
  },
  {
    name: 'text alone where words are not wanted; reset ends what is open',
    proves: ['`words`', '`reset`'],
    steps: [
      { client: '{"config":{"words":0}}', commands: [] },
      { client: { binary: 'ab' }, commands: [opened(8000), { type: 'audio', binary: 'ab' }] },
      { client: '{"reset":1}', commands: [{ type: 'flush' }] },
      { event: { type: 'utterance.final', utterance: HELLO_WORLD, endedBy: 'request' }, frames: [{ text: 'hello World' }] },
    ],
  },
];
