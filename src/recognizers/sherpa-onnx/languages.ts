import type { ModelFamily } from './families.ts';

const EUROPEAN = 'bg hr cs da nl en et fi fr de el hu it lv lt mt pl pt ro sk sl es sv ru uk'.split(' ');
/** Languages of Whisper with an ISO 639-1 code of two letters. */
const WHISPER = (
  'en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br ' +
  'eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt ln ha ba jv su'
).split(' ');
/** What the names of published models say in place of a code. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  english: ['en'],
  gigaspeech: ['en'],
  librispeech: ['en'],
  libriheavy: ['en'],
  medasr: ['en'],
  chinese: ['zh'],
  cantonese: ['zh'],
  wenetspeech: ['zh'],
  aishell: ['zh'],
  hans: ['zh'],
  telespeech: ['zh'],
  russian: ['ru'],
  korean: ['ko'],
  japanese: ['ja'],
  reazonspeech: ['ja'],
  thai: ['th'],
  vietnamese: ['vi'],
  bengali: ['bn'],
  german: ['de'],
  french: ['fr'],
  spanish: ['es'],
};
const CODES = new Set([...EUROPEAN, ...WHISPER, 'ca']);

/** The languages of a published model, by its name. Empty where it does not tell. */
export function languagesOf(name: string, family: ModelFamily): readonly string[] {
  const parts = name.toLowerCase().replace(/giga-?am/, '').split(/[-_.]/);
  if (family === 'whisper') return parts.includes('en') ? ['en'] : name.includes('distil') ? ['en'] : WHISPER;
  const said = parts.flatMap((part) => (CODES.has(part) ? [part] : (WORDS[part] ?? [])));
  if (said.length > 0) return [...new Set(said)];
  if (/parakeet-tdt-.*v2|zipformer-ctc-small-2024-03-18/.test(name)) return ['en'];
  return /parakeet-tdt-.*v3/.test(name) ? EUROPEAN : [];
}
