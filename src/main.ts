import { parseArgs } from 'node:util';
import { ConfigError, loadConfig, type Config } from './config/config.ts';
import { type App, startApp } from './app.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { makeDataFolder } from './stores/data-folder.ts';
import { keptApiKey } from './tenancy/operator-key.ts';

/** A second signal, or this long after the first, ends the process whatever is still open. */
const DRAIN_DEADLINE_MS = 35_000;

function asksForTls(): boolean {
  try {
    // Under `earshot serve --tls` the command comes first.
    return parseArgs({ args: process.argv.slice(2), allowPositionals: true, options: { tls: { type: 'boolean' } } }).values.tls === true;
  } catch (cause) {
    throw new ConfigError((cause as Error).message, { cause });
  }
}

function readConfig(): Config {
  try {
    return loadConfig(asksForTls() ? { ...process.env, EARSHOT_TLS: 'true' } : process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`Earshot cannot start, a setting is wrong:\n${error.message}\n`);
    process.exit(2);
  }
}

/** A line of advice for what goes wrong on the first start. */
function explainStart(error: unknown, config: Config): string {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen') return message;
  if (code === 'EADDRINUSE') return `Port ${String(config.port)} is taken; choose another: PORT=${String(config.port + 1)} npm start`;
  if (code === 'EACCES') return `Port ${String(config.port)} may not be used by this user; choose one over 1023: PORT=8080 npm start`;
  return message;
}

async function start(config: Config, log: Logger): Promise<{ app: App; apiKey: string; kept: { readonly path: string } | undefined }> {
  await makeDataFolder(config.dataDir);
  const kept = config.apiKey === undefined ? keptApiKey(config.dataDir) : undefined;
  const apiKey = config.apiKey ?? kept?.apiKey ?? '';
  return { app: await startApp(config, apiKey, log), apiKey, kept };
}

async function main(): Promise<void> {
  const config = readConfig();
  const log = createLogger(config.logLevel);
  const { app, apiKey, kept } = await start(config, log).catch((error: unknown) => {
    process.stderr.write(`Earshot did not start. ${explainStart(error, config)}\n`);
    process.exit(1);
  });

  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping: sessions deliver what they heard');
    process.once('SIGINT', () => process.exit(1));
    process.once('SIGTERM', () => process.exit(1));
    setTimeout(() => process.exit(1), DRAIN_DEADLINE_MS).unref();
    void app.close().then(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);

  const trust = app.certificatePath === undefined ? '' : `--cacert ${app.certificatePath} `;
  process.stdout.write(`
Earshot listens on ${app.url}

  Captions in the browser   ${app.url}/
  WebRTC by                 ${app.mediaEngine}
  API key                   ${apiKey}${kept ? `   (kept in ${kept.path})` : ''}${app.certificatePath === undefined ? '' : `
  Certificate               ${app.certificatePath}   (self-signed: clients must be told to trust it)`}

  Transcribe a file:
    curl ${trust}${app.url}/v1/modules/scaiecho/transcribe \\
      -H "Authorization: Bearer ${apiKey}" -F file=@meeting.wav

`);
}

await main();
