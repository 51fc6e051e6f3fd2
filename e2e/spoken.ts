import { inSequence, synthesize, withSilence } from './speech.ts';

/** Sentences of ordinary words: the engine understands the synthesized voices of `speech.ts` saying them nearly without error. */
export const SENTENCES = {
  river: 'the weather is fine today and we are going to walk along the river',
  window: 'please open the window because the room is getting very warm',
  train: 'she told me that the train will arrive at seven in the morning',
  building: 'we want to know how many people work in this building',
  brother: 'my brother has a new job in the city and he is very happy there',
  garden: 'the children were playing in the garden when it began to rain',
} as const;

const STORY_SENTENCES = [SENTENCES.river, SENTENCES.train, SENTENCES.garden];
export const STORY = STORY_SENTENCES.join(' ');
/** Longer than what ends an utterance. */
const STORY_PAUSE_MS = 1000;

/** The story as a WAV file, 16 kHz, mono, some 14 s long, with a pause after each sentence. */
export async function tellStory(): Promise<string> {
  const sentences = STORY_SENTENCES.map(async (text) => withSilence(await synthesize(text), 0, STORY_PAUSE_MS));
  return inSequence(...(await Promise.all(sentences)));
}

/**
 * Share of wrong words that is still a pass. The engine makes none or one on these sentences; what this finds is audio that was
 * lost, doubled, cut or played at the wrong speed.
 */
export const MAX_WORD_ERROR_RATE = 0.25;
