import { parseArgs, styleText } from 'node:util';
import { CommandError } from './command-error.ts';
import type { Config } from './config/config.ts';
import { EarshotError } from './core/errors.ts';
import { ProgressBar } from './progress-bar.ts';
import { modelsFolder } from './recognizers/sherpa-onnx/backend.ts';
import { installModel } from './recognizers/sherpa-onnx/install.ts';
import { type InstalledModel, ModelStore } from './recognizers/sherpa-onnx/model-store.ts';
import { type Probe, probeModel } from './recognizers/sherpa-onnx/probe.ts';

export const MODELS_USAGE = `  models list                            the installed models
  models check NAME                      load a model and decode something with it
  models install URL_OR_FILE [--name NAME] [--sha256 HEX]
                                         install a model of sherpa-onnx from an archive
  models remove NAME
`;

const STEPS = { downloading: 'downloading', unpacking: 'unpacking', probing: 'loading it once' } as const;

/** `earshot models ...`. Throws a {@link CommandError} for a wrong call, and `EarshotError`. */
export async function modelsCommand(args: readonly string[], config: Config): Promise<void> {
  const { values, positionals } = parse(args);
  const [verb, subject, ...more] = positionals;
  const store = new ModelStore(modelsFolder(config.dataDir));
  if (more.length > 0 || (subject === undefined) !== (verb === 'list')) throw wrongCall();
  switch (verb) {
    case 'list':
      await list(store);
      return;
    case 'check':
      await check(await store.find(subject ?? ''));
      return;
    case 'install':
      await install(store, subject ?? '', values);
      return;
    case 'remove':
      await store.remove(subject ?? '');
      process.stdout.write(`removed ${subject ?? ''}\n`);
      return;
    default:
      throw wrongCall();
  }
}

async function list(store: ModelStore): Promise<void> {
  const models = await store.list();
  if (models.length === 0) process.stdout.write(`No model is installed in ${store.folder}.\n`);
  for (const each of models) process.stdout.write(`${describe(each)}\n`);
}

async function check(installed: InstalledModel): Promise<void> {
  process.stdout.write(`${describe(installed)}\n`);
  const { model, folder, problem = '' } = installed;
  if (!model) throw new EarshotError('MODEL_UNAVAILABLE', problem);
  process.stdout.write(`     ${told(await probeModel(model, folder))}\n`);
}

async function install(store: ModelStore, source: string, { name, sha256 }: { readonly name?: string; readonly sha256?: string }): Promise<void> {
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) throw new CommandError('--sha256 takes 64 hexadecimal digits.', 2);
  const bar = new ProgressBar();
  try {
    const installed = await installModel(store, source, {
      name,
      sha256,
      onProgress: (bytes, totalBytes) => {
        bar.show(bytes, totalBytes);
      },
      onStep: (step) => {
        bar.clear();
        process.stderr.write(`${STEPS[step]}\n`);
      },
    });
    process.stdout.write(`${describe(installed)}\n     ${told(installed.probe)}\n`);
  } finally {
    bar.clear();
  }
}

function describe({ name, model, problem = '' }: InstalledModel): string {
  if (!model) return `${styleText('red', 'FAIL')} ${name}: ${problem}`;
  const languages = model.languages.length > 8 ? `${String(model.languages.length)} languages` : model.languages.join(', ') || 'language not known: serves only who names it';
  return `${styleText('green', 'ok  ')} ${name}: ${model.family}, ${languages}`;
}

function told({ loadMs, realTimeFactor }: Probe): string {
  const loaded = `loaded in ${(loadMs / 1000).toFixed(1)} s`;
  return realTimeFactor === undefined ? loaded : `${loaded}; a second of audio takes ${realTimeFactor.toFixed(3)} s`;
}

function parse(args: readonly string[]): { values: { name?: string; sha256?: string }; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { name: { type: 'string' }, sha256: { type: 'string' } } });
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n\n${MODELS_USAGE}`, 2);
  }
}

const wrongCall = (): CommandError => new CommandError(`Usage: earshot COMMAND\n\n${MODELS_USAGE}`, 2);
