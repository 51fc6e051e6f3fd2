/**
 * Writes the pages of docs/ that are lists of the code: errors.md and configuration.md; and dialects/compatibility.md, with what the tests showed that ran here last.
 * Usage: `node docs/generate.ts [--check]`; with `--check` nothing is written, and a page that differs is an error.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { compatibilityTables } from '../compatibility/page.ts';
import { KEPT_PROOFS, keptProofs, newestProofs } from '../compatibility/proofs.ts';
import { describeConfig } from '../src/config/config.ts';
import { ERRORS } from '../src/core/errors.ts';

const GENERATED = '<!-- Written by `npm run docs` from the code: change it there. -->';

const PAGES: Readonly<Record<string, () => string>> = { 'errors.md': errorsPage, 'configuration.md': configurationPage, 'dialects/compatibility.md': compatibilityPage };

function errorsPage(): string {
  return `# Errors

${GENERATED}

Every error that a client can meet has one of these codes: as \`error.code\` of an HTTP answer with the status below, and as \`code\` of an
\`error\` frame on a WebSocket, which is then closed with the close code below (RFC 6455, section 7.4). Match on the code, never on the
message. Where trying again helps, the same request may succeed later without being changed; \`retry_after\` says after how many seconds,
where that is known.

${table(['Code', 'HTTP', 'WebSocket', 'Try again', 'Meaning'], errorRows())}`;
}

function errorRows(): string[][] {
  return Object.entries(ERRORS).map(([code, { httpStatus, closeCode, retryable, meaning }]) => [
    `\`${code}\``,
    String(httpStatus),
    String(closeCode),
    retryable ? 'yes' : 'no',
    meaning,
  ]);
}

function configurationPage(): string {
  const rows = describeConfig().map(({ key, variable, fallback, meaning }) => [
    `\`${key}\``,
    `\`${variable}\``,
    fallback === '' ? '' : `\`${fallback}\``,
    meaning,
  ]);
  return `# Configuration

${GENERATED}

Settings come from environment variables and from a JSON file named by \`EARSHOT_CONFIG\`; where both have one, the environment wins. A name
that is not in this table is an error in both, so that a misspelt setting is never silently ignored.

${table(['In the file', 'In the environment', 'Default', 'Meaning'], rows)}`;
}

function compatibilityPage(): string {
  return `# What other services' clients can use

<!-- Written by \`npm run docs\` from compatibility/features.ts and from the tests that ran: change it there. -->

What to know before you move a program here:

* **The text is that of this server's engine.** As installed it is PocketSphinx: US English only, about one word in five wrong on clean speech, lower case without punctuation. With [models of your own](../models.md)
  or [relays](../relays.md) it is theirs. Any model's name is taken; a session in a language that nobody here understands is refused.
* **What takes understanding** (summaries, translations, entities, sentiments) is done by a language model if the operator has set one up ([configuration](../configuration.md): \`languageModelUrl\`); else it is refused the
  vendor's way, or its place in the result says so. Nothing is made up.
* **Limits are this server's**: as many live sessions as its cores have room for (a few per core), budgets and rates by [policy](../protocol.md). Who is refused gets the vendor's code for it, and may try again.
* Some clients speak only \`wss\`: \`npm start -- --tls\`. Keys are this server's.

Vendor by vendor, feature by feature. *works*: as the vendor has it. *differs*: can be used, and how it is not quite that. *not offered*: and why, or what is answered instead. The tests in the last column passed
and show the line; a run of all tests fails if one of the first two kinds has none.

${compatibilityTables(keptProofs())}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return [line(head), `|${head.map(() => '---|').join('')}\n`, ...rows.map(line)].join('');
}

const ROOT = path.resolve(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');
if (!isCheck) writeFileSync(KEPT_PROOFS, `${JSON.stringify(newestProofs((file) => existsSync(path.join(ROOT, file))), undefined, 1)}\n`);
for (const [name, write] of Object.entries(PAGES)) {
  const file = path.join(import.meta.dirname, name);
  if (!isCheck) writeFileSync(file, write());
  else if (readIfThere(file) !== write()) {
    process.stderr.write(`docs/${name} differs from the code: npm run docs\n`);
    process.exitCode = 1;
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
