/**
 * Runs the tests, unit tests first, and ends with the line `N passed, N failed`.
 * Usage: `node e2e/run-tests.ts [unit] [e2e] [part of a path ...]`; without a word both kinds, without a path every file.
 * Exit code 1 on any failure, on `.only`, and when no test ran. In a run of everything, files that failed get a second try alone:
 * what passes then hung on what else the machine did, and is reported as unsteady.
 */
import { globSync, readFileSync } from 'node:fs';
import { checkCompatibility, noteCompatibility } from './runner/compatibility.ts';
import { killMarkedProcesses } from './runner/processes.ts';
import { printFile, printSummary, printUnsteady } from './runner/report.ts';
import { runTestFile, RUN_MARK } from './runner/test-file.ts';
import type { FileResult } from './runner/test-file.ts';

interface Kind {
  readonly name: string;
  readonly patterns: readonly string[];
  readonly excluded?: readonly string[];
  /** Files at the same time. */
  readonly concurrency: number;
}

/** Of e2e, those that send files and wait for answers: they take longer beside each other, and nothing else. */
const UNHURRIED = [
  'bad-input', 'bad-messages', 'client-docs', 'commands', 'containers', 'dialect-samples', 'dialects', 'engine-crash', 'gladia-encodings', 'gladia-recorded', 'jobs', 'killed',
  'mcp', 'openai-files', 'quickstart', 'relays', 'scaiecho-clients', 'silence', 'speakers', 'tenants', 'three-ways', 'tls',
].map((name) => `e2e/${name}.e2e.ts`);

const KINDS: readonly Kind[] = [
  { name: 'unit', patterns: ['{src,media,signaling,client,web-demo,compatibility,e2e}/**/*.test.ts'], concurrency: 2 },
  { name: 'e2e', patterns: UNHURRIED, concurrency: 2 },
  // These keep time, or count what the machine has.
  { name: 'e2e', patterns: ['e2e/**/*.e2e.ts'], excluded: UNHURRIED, concurrency: 1 },
];

/** More failures than this are no accident. */
const MAX_SECOND_TRIES = 8;

const ONLY = /\b(test|it|describe|suite)\.only\s*\(|\bonly:\s*true\b/;

async function main(args: readonly string[]): Promise<number> {
  const wantedKinds = KINDS.filter(({ name }) => args.includes(name));
  const filters = args.filter((each) => KINDS.every(({ name }) => name !== each));
  const results: FileResult[] = [];
  for (const kind of wantedKinds.length === 0 ? KINDS : wantedKinds) {
    results.push(...(await runAll(findFiles(kind, filters), kind.concurrency)));
  }
  if (args.length === 0) await tryAgain(results);
  noteCompatibility(results);
  if (args.length === 0) {
    results.push(checkCompatibility(results));
    printFile(results.at(-1)!);
  }
  return printSummary(results) ? 0 : 1;
}

function findFiles(kind: Kind, filters: readonly string[]): string[] {
  const files = globSync(kind.patterns, { exclude: ['**/node_modules/**', '**/dist/**', ...(kind.excluded ?? [])] });
  return files.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter))).sort();
}

/** As many workers as allowed take from one list. */
async function runAll(files: readonly string[], concurrency: number): Promise<FileResult[]> {
  const waiting = files.values();
  const results: FileResult[] = [];
  const work = async (): Promise<void> => {
    for (const file of waiting) {
      const result = await runFile(file);
      printFile(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return results.sort((one, other) => one.file.localeCompare(other.file));
}

/** Puts the second result of a file that failed in the place of its first. */
async function tryAgain(results: FileResult[]): Promise<void> {
  const failed = results.filter(({ failures }) => failures.length > 0);
  if (failed.length > MAX_SECOND_TRIES) return;
  for (const first of failed) {
    const second = await runFile(first.file);
    printFile(second);
    if (second.failures.length === 0) printUnsteady(first);
    results[results.indexOf(first)] = second;
  }
}

function runFile(file: string): Promise<FileResult> {
  return ONLY.test(readFileSync(file, 'utf8')) ? Promise.resolve(refuseOnly(file)) : runTestFile(file);
}

/** A forgotten `.only` would silence every other test of its file. */
function refuseOnly(file: string): FileResult {
  const failure = { name: file, detail: '`.only` is for your desk: take it out' };
  return { file, durationMs: 0, passed: 0, failures: [failure], skipped: [], output: [], leftBehind: [], proven: [] };
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killMarkedProcesses(RUN_MARK);
    process.exit(1);
  });
}
process.chdir(`${import.meta.dirname}/..`);
process.exitCode = await main(process.argv.slice(2));
