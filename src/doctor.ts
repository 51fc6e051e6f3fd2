import { execFile } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { opusVersion } from '../media/rtp/opus.ts';
import { createSileroDetectors } from '../media/vad/silero.ts';
import type { Config } from './config/config.ts';
import { DETECTOR_WINDOW_SAMPLES } from './core/speech-detector.ts';
import { createMediaEngine } from './media-engine.ts';
import { PocketSphinx } from './recognizers/pocketsphinx.ts';
import { modelsFolder } from './recognizers/sherpa-onnx/backend.ts';
import { ModelStore } from './recognizers/sherpa-onnx/model-store.ts';

/** One finding. `fix` is what to type, present where something is wrong. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix?: string;
}

interface Check {
  readonly name: string;
  readonly fix: string;
  /** Resolves with what is there; rejects with what is wrong. */
  readonly run: (config: Config) => Promise<string> | string;
}

const execute = promisify(execFile);
const INSTALL = 'apt-get install -y';

const CHECKS: readonly Check[] = [
  { name: 'Node', fix: 'npm start', run: checkNode },
  { name: 'Recognition model', fix: `${INSTALL} pocketsphinx-en-us`, run: checkModel },
  { name: 'Recognition engine', fix: `${INSTALL} libpocketsphinx3 pocketsphinx-en-us`, run: checkEngine },
  { name: 'Installed models', fix: 'npx earshot models check NAME tells more; npx earshot models remove NAME', run: checkInstalledModels },
  { name: 'Speech detector', fix: 'npm ci', run: checkDetector },
  { name: 'Opus decoder', fix: `${INSTALL} libopus0`, run: () => opusVersion() },
  { name: 'Container decoder', fix: `${INSTALL} ffmpeg`, run: checkFfmpeg },
  { name: 'Page', fix: 'npm start', run: checkPage },
  { name: 'Data folder', fix: 'EARSHOT_DATA=/a/folder/you/may/write npm start', run: checkDataFolder },
  { name: 'TCP port', fix: 'PORT=8081 npm start, or stop what listens there', run: checkTcpPort },
  { name: 'WebRTC engine', fix: 'docs/operations.md, "The media engine"; or EARSHOT_MEDIA_ENGINE=auto', run: checkMediaEngine },
  { name: 'UDP for WebRTC', fix: 'allow UDP in the firewall or container', run: checkUdp },
];

/** Looks at everything that the server needs, one finding after the other. Never throws. */
export async function* examine(config: Config): AsyncGenerator<Finding, void, void> {
  for (const check of CHECKS) {
    try {
      yield { name: check.name, ok: true, detail: await check.run(config) };
    } catch (error) {
      yield { name: check.name, ok: false, detail: (error as Error).message, fix: check.fix };
    }
  }
}

function checkNode(): string {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 24) throw new Error(`${process.version}, and 24 or newer is needed`);
  return process.version;
}

function checkModel(config: Config): string {
  for (const file of ['en-us/mdef', 'en-us.lm.bin', 'cmudict-en-us.dict']) {
    if (!existsSync(join(config.modelDir, file))) throw new Error(`${join(config.modelDir, file)} is missing`);
  }
  return `US English in ${config.modelDir}`;
}

/** Loads the model in a process of its own, as the server does. */
async function checkEngine(config: Config): Promise<string> {
  const started = performance.now();
  const recognizer = new PocketSphinx({
    modelFolder: config.modelDir,
    processes: 1,
    onEngineExit: () => undefined,
    onEngineStartFailed: () => undefined,
  });
  try {
    await recognizer.ready('live');
    return `PocketSphinx, ready in ${String(Math.round(performance.now() - started))} ms`;
  } finally {
    await recognizer.close();
  }
}

/** By their files only: `earshot models check` loads one. */
async function checkInstalledModels(config: Config): Promise<string> {
  const models = await new ModelStore(modelsFolder(config.dataDir)).list();
  const broken = models.find(({ problem }) => problem !== undefined);
  if (broken) throw new Error(broken.problem ?? '');
  if (models.length === 0) return 'none besides PocketSphinx';
  return models.map(({ name, model }) => `${name} (${model?.family ?? ''})`).join(', ');
}

function checkDetector(): string {
  const detector = createSileroDetectors({ spare: 1 })();
  const heardSpeech = detector.isSpeech(new Int16Array(DETECTOR_WINDOW_SAMPLES));
  detector.close();
  if (heardSpeech) throw new Error('hears speech in silence');
  return 'Silero VAD';
}

async function checkFfmpeg(config: Config): Promise<string> {
  const { stdout: version } = await execute(config.ffmpegPath, ['-hide_banner', '-version']).catch(() => {
    throw new Error(`${config.ffmpegPath} cannot be run`);
  });
  const { stdout: decoders } = await execute(config.ffmpegPath, ['-hide_banner', '-decoders']);
  const missing = ['mp3', 'flac', 'opus', 'vorbis', 'aac'].filter((name) => !new RegExp(`\\s(lib)?${name}\\s`).test(decoders));
  if (missing.length > 0) throw new Error(`it lacks decoders: ${missing.join(', ')}`);
  return `${/ffmpeg version \S+/.exec(version)?.[0] ?? 'ffmpeg'}; mp3, flac, opus, vorbis, aac`;
}

function checkPage(): string {
  if (!existsSync(fileURLToPath(new URL('../web-demo/dist/index.html', import.meta.url)))) throw new Error('not built');
  return 'built';
}

async function checkDataFolder(config: Config): Promise<string> {
  await mkdir(config.dataDir, { recursive: true });
  await access(config.dataDir, constants.W_OK);
  return config.dataDir;
}

function checkTcpPort(config: Config): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(config.port, config.host, () => {
      server.close(() => {
        resolve(`${config.host}:${String(config.port)} is free`);
      });
    });
  });
}

/** Starts it as the server does, on ports of its own. */
async function checkMediaEngine(config: Config): Promise<string> {
  const { engine, reason } = await createMediaEngine({ ...config, mediaPort: 0, mediaWorkers: 1 });
  await engine.close();
  return reason === undefined ? engine.id : `${engine.id} (${reason})`;
}

function checkUdp(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const timeout = setTimeout(() => {
      socket.close();
      reject(new Error('a datagram to loopback did not arrive'));
    }, 2000);
    socket.once('error', reject);
    socket.once('message', () => {
      clearTimeout(timeout);
      socket.close();
      resolve('datagrams arrive on loopback');
    });
    socket.bind(0, '127.0.0.1', () => {
      socket.send('earshot', socket.address().port, '127.0.0.1');
    });
  });
}
