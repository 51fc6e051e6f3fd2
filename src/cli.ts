import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { parseArgs, styleText } from 'node:util';
import { createRecognitionCore } from './app.ts';
import { type Config, ConfigError, loadConfig } from './config/config.ts';
import { EarshotError } from './core/errors.ts';
import { PERMISSIONS, type Principal } from './core/principal.ts';
import { transcribe } from './core/session/transcribe.ts';
import type { TenantPolicy } from './core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from './core/tenant-policy.ts';
import { examine } from './doctor.ts';
import { FORMATS } from './formats/index.ts';
import { keysCommand } from './keys-command.ts';
import { createLogger } from './observability/logger.ts';

const USAGE = `Usage: earshot COMMAND

  serve                                  start the server (what npm start does)
  transcribe FILE [--format FORMAT]      print the transcript of a recording
                                         FORMAT: ${FORMATS.map((format) => format.id).join(', ')} (default text)
  keys create NAME [--tenant T] [--permissions P,P] [--expires DATE]
  keys list [--tenant T]
  keys revoke ID [--tenant T]            API keys, in the data folder; the server may run or not
  doctor                                 look for what is missing, and tell the fix
`;

/** A file named on the command line stays on this machine. */
const ON_THIS_MACHINE: TenantPolicy = { ...DEFAULT_TENANT_POLICY, allowedBackends: 'A', residency: 'self_hosted' };
const OWNER: Principal = { tenantId: 'cli', keyId: 'cli', permissions: new Set(PERMISSIONS) };

/** What to tell the user, and the exit code: 2 for a wrong call, 1 for a failure. */
class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  switch (command) {
    case 'serve':
      await import('./main.ts');
      return;
    case 'transcribe':
      await transcribeCommand(rest, loadConfig(process.env));
      return;
    case 'keys':
      process.stdout.write((await keysCommand(rest, loadConfig(process.env))).map((line) => `${line}\n`).join(''));
      return;
    case 'doctor':
      await doctorCommand(loadConfig(process.env));
      return;
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(USAGE);
      return;
    default:
      throw new CommandError(`Unknown command "${command}".\n\n${USAGE}`, 2);
  }
}

async function transcribeCommand(args: readonly string[], config: Config): Promise<void> {
  const { values, positionals } = parseTranscribeArgs(args);
  const [path, ...more] = positionals;
  const format = FORMATS.find((candidate) => candidate.id === values.format);
  if (path === undefined || more.length > 0) throw new CommandError(`Name one file.\n\n${USAGE}`, 2);
  if (!format) throw new CommandError(`Unknown format "${values.format}".\n\n${USAGE}`, 2);
  const file = await stat(path).catch((error: unknown) => {
    throw new CommandError(`Cannot read ${path}: ${(error as Error).message}`, 1);
  });
  if (!file.isFile()) throw new CommandError(`${path} is not a file.`, 1);

  const core = createRecognitionCore({ ...config, engineProcesses: 1 }, createLogger('fatal'), { policy: () => Promise.resolve(ON_THIS_MACHINE) });
  const bar = new ProgressBar(file.size);
  try {
    await Promise.any(core.backends.map((backend) => backend.ready('batch'))).catch((error: unknown) => {
      throw (error as AggregateError).errors[0];
    });
    const session = await core.dispatcher.open(OWNER, { transport: 'job', priority: 'batch' });
    const stop = new AbortController();
    const audio = await core.decode(bar.count(createReadStream(path)), { container: 'auto' }, stop.signal).catch(
      async (error: unknown) => {
        await session.close('cancelled');
        throw error;
      },
    );
    const transcript = await transcribe(session, audio);
    bar.clear();
    process.stdout.write(format.write(transcript));
  } finally {
    bar.clear();
    await core.close();
  }
}

function parseTranscribeArgs(args: readonly string[]): { values: { format: string }; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { format: { type: 'string', default: 'text' } } });
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n\n${USAGE}`, 2);
  }
}

async function doctorCommand(config: Config): Promise<void> {
  let broken = 0;
  for await (const finding of examine(config)) {
    const mark = finding.ok ? styleText('green', 'ok  ') : styleText('red', 'FAIL');
    process.stdout.write(`${mark} ${finding.name.padEnd(20)} ${finding.detail}\n`);
    if (finding.fix !== undefined) process.stdout.write(`     ${''.padEnd(20)} fix: ${finding.fix}\n`);
    if (!finding.ok) broken += 1;
  }
  if (broken > 0) throw new CommandError(`${String(broken)} of the checks failed.`, 1);
}

/** How much of the file has been heard, on a terminal only. */
class ProgressBar {
  readonly #totalBytes: number;
  readonly #visible = process.stderr.isTTY;
  #bytes = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** Passes the bytes on; the recognizer pulls them as it gets on, so they tell how far it is. */
  async *count(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of bytes) {
      yield chunk;
      this.#bytes += chunk.length;
      this.#draw();
    }
  }

  clear(): void {
    if (this.#visible) process.stderr.write('\r\u001b[K');
  }

  #draw(): void {
    if (!this.#visible) return;
    const width = 30;
    const share = Math.min(1, this.#bytes / this.#totalBytes);
    const filled = Math.round(share * width);
    const percent = String(Math.round(share * 100)).padStart(3);
    process.stderr.write(`\r${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${percent} %`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const known = error instanceof CommandError || error instanceof ConfigError || error instanceof EarshotError;
  process.stderr.write(`earshot: ${known ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = error instanceof CommandError ? error.exitCode : 1;
}
