import type { FileResult } from './test-file.ts';

const MAX_SHOWN_OUTPUT_LINES = 40;

/** One line per file as soon as it is through, and what it left running. */
export function printFile({ file, durationMs, passed, failures, leftBehind }: FileResult): void {
  const seconds = (durationMs / 1000).toFixed(1);
  const count = failures.length === 0 ? `${passed} passed` : `${passed} passed, ${failures.length} FAILED`;
  console.log(`${failures.length === 0 ? 'ok  ' : 'FAIL'} ${file} (${count}, ${seconds} s)`);
  for (const { pid, command } of leftBehind) console.log(`     left running, now killed: ${command.slice(0, 120)} (process ${pid})`);
}

/** Skipped tests by name, every failure with its error, and the totals as the last line. True if all is well and tests ran. */
export function printSummary(results: readonly FileResult[]): boolean {
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failures.length, 0);
  for (const { file, skipped } of results) {
    for (const name of skipped) console.log(`skipped: ${file}: ${name}`);
  }
  results.filter(({ failures }) => failures.length > 0).forEach(printFailures);
  if (passed + failed === 0) console.log('\nNo test ran.');
  console.log(`\n${passed} passed, ${failed} failed`);
  return passed > 0 && failed === 0;
}

/** What failed first and passed when it was tried again: said, so that somebody looks. */
export function printUnsteady(first: FileResult): void {
  console.log(`unsteady: ${first.file}: failed at first, passed alone:`);
  printFailures(first);
}

function printFailures({ file, failures, output }: FileResult): void {
  for (const { name, detail } of failures) console.log(`\n✖ ${file}: ${name}\n${indent(detail)}`);
  const shown = output.slice(-MAX_SHOWN_OUTPUT_LINES);
  if (shown.length > 0) console.log(`\n  the last lines that ${file} printed:\n${indent(shown.join('\n'))}`);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
