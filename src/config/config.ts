import { readFileSync } from 'node:fs';
import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);
const isNetwork = (text: string): boolean => /^[0-9a-f.:]+(\/\d{1,3})?$/i.test(text);
const positiveInteger = z.coerce.number().int().positive();

const fromJson = (value: unknown): unknown => (typeof value === 'string' ? parseJson(value) : value);
const milliseconds = z.number().int().min(100).max(600_000);

/** One upstream that speech may be relayed to; docs/relays.md explains the fields. */
const relay = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'lower-case letters, digits and hyphens, up to 32'),
  kind: z.enum(['deepgram', 'gladia', 'openai', 'earshot']),
  url: z.url({ protocol: /^https?$/ }),
  model: z.string().min(1).optional(),
  languages: z.array(z.string().regex(/^[a-z]{2}$/)).min(1).default(['en']),
  key: z.string().min(1).optional(),
  requiresKey: z.boolean().default(true),
  maxSessions: z.number().int().positive().max(10_000).default(100),
  chunkSeconds: z.number().min(1).max(60).optional(),
  wordTimes: z.boolean().default(true),
  connectMs: milliseconds.default(5000),
  silenceMs: milliseconds.default(5000),
  answerMs: milliseconds.default(10_000),
});

/**
 * Every setting, by its name in the configuration file. The environment variable is the same name in capitals with
 * `EARSHOT_` before it (`maxLiveSessions` is `EARSHOT_MAX_LIVE_SESSIONS`); `PORT` and `EARSHOT_DATA` are shorter
 * by custom. The environment wins over the file. An unknown key is an error in both.
 */
const schema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on. Other than loopback, every request needs the API key.'),
  port: port.default(8080).describe('TCP port of HTTP and WebSocket; 0 takes a free one.'),
  tls: z
    .stringbool()
    .or(z.boolean())
    .default(false)
    .describe('HTTPS, with a self-signed certificate that is made and kept in the data folder; `npm start -- --tls` does the same. Not needed where `tlsCert` is set.'),
  tlsCert: z.string().min(1).optional().describe('HTTPS, with this certificate: a PEM file, its chain after it. Read again every few hours.'),
  tlsKey: z.string().min(1).optional().describe('PEM file of the private key of `tlsCert`.'),
  dataDir: z.string().min(1).default('./data').describe('Folder for what must survive a restart.'),
  apiKey: z.string().min(16).optional().describe('API key to accept. Default: made on the first start and kept in the data folder.'),
  letAnybodyIn: z
    .literal('without-a-key')
    .optional()
    .describe('Set to `without-a-key`, everybody who can reach the server may transcribe on it without a key. Without it, that needs a loopback address. Everything else needs a key then.'),
  requestsPerMinute: positiveInteger.max(1_000_000).default(6000).describe('Requests and WebSockets of one key per minute; a quiet minute’s worth may come at once.'),
  failedLoginsPerMinute: positiveInteger.max(1_000_000).default(30).describe('Wrong keys from one address per minute; then it waits, with a right key too.'),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info').describe('Least severe log line that is written.'),
  modelDir: z.string().min(1).default('/usr/share/pocketsphinx/model/en-us').describe('Folder of the PocketSphinx model.'),
  speakerModelDir: z.string().min(1).optional().describe('Folder with a sherpa-onnx speaker model: `embedding.onnx` and, if there is one, `segmentation.onnx`. Default: the embedded speaker engine.'),
  engineProcesses: positiveInteger.max(64).optional().describe('Engine processes for live sessions. Default: one per core.'),
  maxLiveSessions: positiveInteger.max(1000).optional().describe('Live sessions at a time. Default: as many talkers as recognition lately cost leaves room for; 5 per core to begin with, 1 to 10.'),
  maxBatchSessions: positiveInteger.max(1000).optional().describe('Uploaded files recognized at a time. Default: 2 per core.'),
  maxInlineBytes: positiveInteger.default(5 * 1024 * 1024).describe('Largest upload answered in the same response, in bytes.'),
  maxOpenAiFileBytes: positiveInteger.default(25 * 1024 * 1024).describe('Largest file of `/v1/audio/transcriptions`, which has no jobs, in bytes.'),
  maxUploadBytes: positiveInteger.default(2 * 1024 ** 3).describe('Largest file of a job, uploaded or at an address, in bytes.'),
  jobWorkers: positiveInteger.max(64).optional().describe('Jobs worked on at a time. Default: one per core.'),
  maxQueuedJobs: positiveInteger.default(1000).describe('Jobs of one tenant that may wait; more are refused.'),
  keepJobAudio: z.stringbool().or(z.boolean()).default(false).describe('Keep the audio of a job as long as the job; else it is deleted when the job has ended.'),
  keepTranscripts: z.stringbool().or(z.boolean()).default(true).describe('Keep every live session and every file answered at once as a job that can be read later.'),
  transcriptRetentionDays: z.coerce.number().int().min(0).max(36_500).default(0).describe('Days after its end that a job is deleted, with its transcript; 0: never.'),
  outboundNetworks: z
    .preprocess((value) => (typeof value === 'string' ? value.split(',') : value), z.array(z.string().refine(isNetwork, { error: 'not a network as 10.0.0.0/8' })))
    .default([])
    .describe('Private networks that callbacks and audio addresses of jobs may reach, as `10.0.0.0/8`; comma-separated. Default: the public internet only.'),
  maxPeers: positiveInteger.max(10_000).default(200).describe('WebRTC peer connections at a time.'),
  iceServers: z
    .preprocess((value) => (typeof value === 'string' ? parseJson(value) : value), z.array(z.strictObject({ urls: z.union([z.string(), z.array(z.string())]), username: z.string().optional(), credential: z.string().optional(), secret: z.string().min(1).optional() })))
    .default([])
    .describe('STUN and TURN servers handed to clients, as JSON in the shape of RTCIceServer; with `secret` instead of name and password, clients get credentials that expire (docs/operations.md).'),
  turnCredentialSeconds: positiveInteger.max(30 * 24 * 3600).default(12 * 3600).describe('How long TURN credentials made from a `secret` are valid, in seconds: at least as long as a session may last.'),
  announcedAddresses: z
    .preprocess((value) => (typeof value === 'string' ? value.split(',') : value), z.array(z.string()))
    .default([])
    .describe('Further addresses at which WebRTC reaches this machine, for example the public one behind a NAT; comma-separated.'),
  mediaEngine: z
    .enum(['auto', 'mediasoup', 'werift'])
    .default('auto')
    .describe('What receives WebRTC: `mediasoup` (C++), `werift` (TypeScript), or `auto`: mediasoup where its worker is installed, else werift.'),
  mediaPort: port.default(0).describe('UDP and TCP port of WebRTC with mediasoup, the one to open in a firewall; 0 takes free ones.'),
  mediaWorkers: positiveInteger
    .max(64)
    .optional()
    .describe('Worker processes of mediasoup, each on a port of its own: `mediaPort` and those after it. Default: one where `mediaPort` is set, else one per core.'),
  mediaThreads: z.coerce.number().int().min(0).max(64).optional().describe('Threads for WebRTC audio beside the server’s own. With werift they receive, decrypt and decode, each with a UDP port of its own; default: none for up to 100 `maxPeers`, else one for every two cores. With mediasoup any number gives each worker a thread that decodes; default: none. 0: none.'),
  udpPorts: z
    .string()
    .regex(/^\d+-\d+$/)
    .optional()
    .describe('UDP ports for WebRTC with werift, as `40000-40003`: all connections of a thread share one, the first that is free; no more threads than ports. Default: any.'),
  audioRedundancy: z.stringbool().or(z.boolean()).default(true).describe('Ask WebRTC senders for redundant audio (RED), where they offer it: each packet carries the one before it. Lost packets cost nothing then, at about twice the bits.'),
  audioRetransmission: z.stringbool().or(z.boolean()).default(true).describe('Ask WebRTC senders for lost packets again (NACK).'),
  relays: z
    .preprocess(fromJson, z.array(relay).refine((relays) => new Set(relays.map(({ id }) => id)).size === relays.length, 'each relay needs an id of its own'))
    .default([])
    .describe('Upstreams that speech may be relayed to (backend B), as JSON: docs/relays.md. The key of the relay `ID` may be set apart, as `EARSHOT_RELAY_ID_KEY`.'),
  languageModelUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Base address of a language model with `/chat/completions` as OpenAI has it, for translations, summaries, named entities, sentiment, topics, intents, chapters and prompts. Default: these are not offered.'),
  languageModel: z.string().min(1).optional().describe('Name of the model at `languageModelUrl`.'),
  languageModelKey: z.string().min(1).optional().describe('Its key, sent as `Authorization: Bearer`.'),
  languageModelBackend: z
    .enum(['A', 'B'])
    .default('B')
    .describe('`A` says that the language model runs on your own machines; with `B` no text of a tenant goes there whose policy keeps it on backend A.'),
  languageModelTimeoutMs: z.coerce.number().int().min(100).max(600_000).default(30_000).describe('Longest wait for one answer of the language model, in ms.'),
  languageModelConcurrency: positiveInteger.max(1000).default(4).describe('Questions to the language model at a time; those of live sessions go first.'),
  ffmpegPath: z.string().min(1).default('ffmpeg').describe('Program that decodes all containers but WAV.'),
});

export type Config = z.output<typeof schema>;

const ENVIRONMENT_ALIASES: Readonly<Record<string, string>> = { PORT: 'port', EARSHOT_DATA: 'dataDir' };
/** Variables that other parts of the project read. */
const NOT_SETTINGS = new Set(['EARSHOT_CONFIG']);

/** Keys of relays, which belong into no file. */
const RELAY_KEY = /^EARSHOT_RELAY_[A-Z0-9_]+_KEY$/;

/** What is wrong with the settings, a line each, for people. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the file named by `EARSHOT_CONFIG` (JSON), if any, and the environment. Throws {@link ConfigError}. */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const fromFile = environment['EARSHOT_CONFIG'] === undefined ? {} : readConfigFile(environment['EARSHOT_CONFIG']);
  const result = schema.safeParse({ ...fromFile, ...fromEnvironment(environment) });
  if (result.success && (result.data.tlsCert === undefined) !== (result.data.tlsKey === undefined)) throw new ConfigError('tlsCert and tlsKey: set both or neither');
  if (result.success && (result.data.languageModelUrl === undefined) !== (result.data.languageModel === undefined)) throw new ConfigError('languageModelUrl and languageModel: set both or neither');
  if (result.success) return { ...result.data, relays: withKeys(result.data.relays, environment) };
  const lines = result.error.issues.map((issue) => `${issue.path.join('.') || 'settings'}: ${issue.message}`);
  throw new ConfigError(lines.join('\n'));
}

/** Name in the environment, default and meaning of every setting: the source of docs/configuration.md. */
export function describeConfig(): { readonly key: string; readonly variable: string; readonly fallback: string; readonly meaning: string }[] {
  return Object.entries(schema.shape).map(([key, type]) => {
    const fallback = type.safeParse(undefined);
    const alias = Object.entries(ENVIRONMENT_ALIASES).find(([, name]) => name === key)?.[0];
    return {
      key,
      variable: alias ?? variableOf(key),
      fallback: fallback.success && fallback.data !== undefined ? JSON.stringify(fallback.data) : '',
      meaning: type.description ?? '',
    };
  });
}

function variableOf(key: string): string {
  return `EARSHOT_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function fromEnvironment(environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  const keys = new Map(Object.keys(schema.shape).map((key) => [variableOf(key), key]));
  for (const [variable, value] of Object.entries(environment)) {
    if (value === undefined || value === '' || NOT_SETTINGS.has(variable) || RELAY_KEY.test(variable)) continue;
    const key = ENVIRONMENT_ALIASES[variable] ?? keys.get(variable);
    if (key !== undefined) settings[key] = value;
    else if (variable.startsWith('EARSHOT_')) throw new ConfigError(`${variable}: unknown setting`);
  }
  return settings;
}

function withKeys(relays: Config['relays'], environment: NodeJS.ProcessEnv): Config['relays'] {
  const variableOfRelay = (id: string): string => `EARSHOT_RELAY_${id.replaceAll('-', '_').toUpperCase()}_KEY`;
  const known = new Set(relays.map(({ id }) => variableOfRelay(id)));
  const stray = Object.keys(environment).find((variable) => RELAY_KEY.test(variable) && !known.has(variable));
  if (stray !== undefined) throw new ConfigError(`${stray}: there is no such relay`);
  return relays.map((settings) => {
    const key = environment[variableOfRelay(settings.id)];
    return key === undefined || key === '' ? settings : { ...settings, key };
  });
}

function readConfigFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`EARSHOT_CONFIG: cannot read ${path}`, { cause });
  }
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(`EARSHOT_CONFIG: ${path} does not hold a JSON object`);
  }
  return value as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigError('a setting is not valid JSON', { cause });
  }
}
