import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { parseArgs, styleText } from 'node:util';
import { createRecognitionCore } from './app.ts';
import { CommandError } from './command-error.ts';
import { type Config, ConfigError, loadConfig } from './config/config.ts';
import { EarshotError } from './core/errors.ts';
import { PERMISSIONS, type Principal } from './core/principal.ts';
import { transcribe } from './core/session/transcribe.ts';
import type { TenantPolicy } from './core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from './core/tenant-policy.ts';
import { examine } from './doctor.ts';
import { FORMATS } from './formats/index.ts';
import { keysCommand } from './keys-command.ts';
import { modelsCommand, MODELS_USAGE } from './models-command.ts';
import { createLogger } from './observability/logger.ts';
import { ProgressBar } from './progress-bar.ts';

const USAGE = `Usage: earshot COMMAND

  serve [--tls]                          start the server (what npm start does)
  transcribe FILE [--format FORMAT] [--speakers] [--paragraphs]
                                         print the transcript of a recording
                                         FORMAT: ${FORMATS.map((format) => format.id).join(', ')} (default text)
  keys create NAME [--tenant T] [--permissions P,P] [--expires DATE] [--max-sessions N]
  keys list [--tenant T]
  keys revoke ID [--tenant T]            API keys, in the data folder; the server may run or not
${MODELS_USAGE}  doctor                                 look for what is missing, and tell the fix
`;

/** A file named on the command line stays on this machine. */
const ON_THIS_MACHINE: TenantPolicy = { ...DEFAULT_TENANT_POLICY, allowedBackends: 'A', residency: 'self_hosted' };
const OWNER: Principal = { tenantId: 'cli', keyId: 'cli', permissions: new Set(PERMISSIONS) };

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
    case 'models':
      await modelsCommand(rest, loadConfig(process.env));
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
  const bar = new ProgressBar();
  try {
    await Promise.any(core.backends.map((backend) => backend.ready('batch'))).catch((error: unknown) => {
      throw (error as AggregateError).errors[0];
    });
    const session = await core.dispatcher.open(OWNER, { transport: 'job', priority: 'batch', diarize: values.speakers });
    const stop = new AbortController();
    const audio = await core.decode(heard(createReadStream(path), file.size, bar), { container: 'auto' }, stop.signal).catch(
      async (error: unknown) => {
        await session.close('cancelled');
        throw error;
      },
    );
    const transcript = await transcribe(session, audio);
    bar.clear();
    process.stdout.write(format.write(transcript, values));
  } finally {
    bar.clear();
    await core.close();
  }
}

/** Passes the bytes on; the recognizer pulls them as it gets on, so they tell how far it is. */
async function* heard(bytes: AsyncIterable<Uint8Array>, totalBytes: number, bar: ProgressBar): AsyncGenerator<Uint8Array, void, void> {
  let heardBytes = 0;
  for await (const chunk of bytes) {
    yield chunk;
    heardBytes += chunk.length;
    bar.show(heardBytes, totalBytes);
  }
}

interface TranscribeArgs {
  readonly values: { readonly format: string; readonly speakers: boolean; readonly paragraphs: boolean };
  readonly positionals: readonly string[];
}

function parseTranscribeArgs(args: readonly string[]): TranscribeArgs {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { format: { type: 'string', default: 'text' }, speakers: flag, paragraphs: flag } });
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

try {
  await main(process.argv.slice(2));
} catch (error) {
  const known = error instanceof CommandError || error instanceof ConfigError || error instanceof EarshotError;
  process.stderr.write(`earshot: ${known ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = error instanceof CommandError ? error.exitCode : 1;
}
