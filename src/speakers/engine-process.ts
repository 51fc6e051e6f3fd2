import { flushCompileCache } from 'node:module';
import { groupVoices } from './clustering.ts';
import { gaussianVoice, hearVoices } from './embedded/gaussian-voice.ts';
import type { FromEngine, ToEngine } from './engine-messages.ts';
import { loadSherpaVoices, sherpaVoice } from './sherpa-voice.ts';

/**
 * Entry of a speaker engine's process: `engine-process.ts [MODEL_FOLDER]`, forked with an IPC channel. Without a folder it is the
 * embedded engine. It keeps nothing between two questions.
 */
const [folder] = process.argv.slice(2);
const hear = folder === undefined ? hearVoices : loadSherpaVoices(folder);
const measure = folder === undefined ? gaussianVoice : sherpaVoice(folder);

function answer(question: ToEngine): FromEngine {
  try {
    // Copied: the channel may hand out memory that is not aligned to samples.
    if (question.ask === 'listen') return { id: question.id, heard: hear(Int16Array.from(question.samples)) };
    return { id: question.id, groups: groupVoices(question.prints.map((print) => Float64Array.from(print)), measure) };
  } catch (error) {
    return { id: question.id, fault: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (question: ToEngine) => process.send?.(answer(question)));
process.on('disconnect', () => process.exit(0));
// A terminal's Ctrl-C reaches the whole group; the server decides when its engines end.
process.on('SIGINT', () => undefined);
// It will be killed, and then keeps nothing of what was compiled.
flushCompileCache();
process.send?.('ready');
