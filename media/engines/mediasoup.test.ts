import test from 'node:test';
import { EarshotError } from '../../src/core/errors.ts';
import type { MediaEngine } from '../../src/core/media-engine.ts';
import { chooseEngine } from './choice.ts';
import { type EngineSettings, mediaEngineConformance } from './conformance.ts';
import { startMediasoupEngine } from './mediasoup.ts';
import { createWeriftEngine } from './werift.ts';

/** As the server has it: with a werift beside for what mediasoup cannot serve. */
const start = async (settings: EngineSettings = {}): Promise<MediaEngine> => {
  const { engine } = await chooseEngine('mediasoup', { mediasoup: () => startMediasoupEngine(settings), werift: () => createWeriftEngine(settings) });
  return engine;
};

const missing = await start().then(
  async (engine) => {
    await engine.close();
    return undefined;
  },
  (error: unknown) => {
    if (error instanceof EarshotError && error.code === 'BACKEND_UNAVAILABLE') return error.message;
    throw error;
  },
);

if (missing === undefined) mediaEngineConformance('mediasoup', start);
else test('mediasoup is a MediaEngine', { skip: `NOT TESTED: ${missing} (docs/operations.md, "The media engine")` }, () => undefined);
