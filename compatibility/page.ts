import type { Feature } from './feature.ts';
import { FEATURES } from './features.ts';
import type { Proofs } from './proofs.ts';

const TITLES: Readonly<Record<keyof typeof FEATURES, readonly [title: string, page: string]>> = {
  audiopod: ['AudioPod', 'audiopod.md'],
  deepgram: ['Deepgram', 'deepgram.md'],
  gladia: ['Gladia', 'gladia.md'],
  openai: ['OpenAI', 'openai.md'],
  pulse: ['smallest.ai Pulse', 'pulse.md'],
  vosk: ['Vosk server', 'vosk.md'],
};

/** What is claimed of the features and shown by no test; what is shown and not claimed. Empty: all is well. */
export function faults(proofs: Proofs): readonly string[] {
  const shown = new Set(Object.values(proofs).flat());
  const claimed = rows().map(({ vendor, feature }) => `${vendor}\t${feature}`);
  const unknown = [...shown].filter((each) => !claimed.includes(each)).map((each) => `${named(each)}: shown by a test, and not in the table`);
  const unproven = rows().filter(({ vendor, feature, claim }) => claim.state !== 'not offered' && !shown.has(`${vendor}\t${feature}`));
  return [...unproven.map(({ vendor, feature, claim }) => `${vendor}: ${feature}: "${claim.state}", and no test shows it`), ...unknown];
}

/** `docs/dialects/compatibility.md` after its heading. */
export function compatibilityTables(proofs: Proofs): string {
  return Object.entries(TITLES)
    .map(([vendor, [title, page]]) => `## [${title}](${page})\n\n${tally(vendor)}\n\n| feature | here | how, or why not | shown by |\n|---|---|---|---|\n${rows().filter((row) => row.vendor === vendor).map((row) => line(row, proofs)).join('')}`)
    .join('\n');
}

interface TableRow {
  readonly vendor: string;
  readonly feature: string;
  readonly claim: Feature;
}

const rows = (): readonly TableRow[] =>
  Object.entries(FEATURES).flatMap(([vendor, features]) => Object.entries<Feature>(features).map(([feature, claim]) => ({ vendor, feature, claim })));

function line({ vendor, feature, claim }: TableRow, proofs: Proofs): string {
  const files = Object.entries(proofs).filter(([, shown]) => shown.includes(`${vendor}\t${feature}`)).map(([file]) => `[${shortened(file)}](../../${file})`);
  const remark = claim.state === 'works' ? '' : claim.state === 'differs' ? claim.how : claim.why;
  return `| ${[feature, claim.state, remark, files.join(', ')].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
}

/** `10 work, 3 differ, 2 are not offered.` */
function tally(vendor: string): string {
  const count = (state: Feature['state']): number => rows().filter((row) => row.vendor === vendor && row.claim.state === state).length;
  return `${String(count('works'))} work, ${String(count('differs'))} differ, ${String(count('not offered'))} are not offered.`;
}

const shortened = (file: string): string => file.replace(/^.*\//, '').replace(/\.ts$/, '');
const named = (proof: string): string => proof.replace('\t', ': ');
