/**
 * Known speech for tests: Debian's flite says a text, ffmpeg pads and converts it. Files live in `.cache/speech`, named by what
 * made them, and are made once: the same call in another process finds the file, two at the same time do no harm.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** Voices of flite that the engine understands: a woman's and a man's. */
export type Voice = 'slt' | 'rms';

export type SpeechFormat = 'wav' | 'mp3' | 'flac' | 'ogg' | 'm4a' | 'webm';

/** Silence that is not digital: white noise at about -66 dBFS, as of a quiet room. */
export type SilenceKind = 'digital' | 'room';

const FOLDER = path.resolve(import.meta.dirname, '../.cache/speech');
const ROOM_AMPLITUDE = 0.0005;

/** Encoder of each format, chosen to leave the speech as it is at modest size. */
const ENCODERS: Readonly<Record<SpeechFormat, readonly string[]>> = {
  wav: ['-c:a', 'pcm_s16le'],
  mp3: ['-c:a', 'libmp3lame', '-b:a', '64k'],
  flac: ['-c:a', 'flac'],
  ogg: ['-c:a', 'libopus', '-b:a', '32k'],
  m4a: ['-c:a', 'aac', '-b:a', '64k'],
  webm: ['-c:a', 'libopus', '-b:a', '32k'],
};

const execute = promisify(execFile);

/** Says `text`; resolves with the path of a WAV file, 16 kHz, mono, 16 bit. */
export async function synthesize(text: string, voice: Voice = 'slt'): Promise<string> {
  return cached(['flite', voice, text], 'wav', (target) => execute('flite', ['-voice', voice, '-t', text, '-o', target]));
}

/** The same speech with silence before and after it, in milliseconds. Resolves with the path of a WAV file. */
export async function withSilence(speech: string, leadMs: number, tailMs: number, kind: SilenceKind = 'digital'): Promise<string> {
  return cached(['silence', await digestOf(speech), leadMs, tailMs, kind], 'wav', (target) => {
    const room = `anoisesrc=r=16000:a=${kind === 'room' ? ROOM_AMPLITUDE : 0}:seed=1`;
    const parts = `[0:a]aformat=sample_rates=16000:channel_layouts=mono,adelay=${leadMs},apad=pad_dur=${tailMs}ms[speech]`;
    const mix = `${parts};${room}[room];[speech][room]amix=inputs=2:duration=first:normalize=0`;
    return ffmpeg('-i', speech, '-filter_complex', mix, '-c:a', 'pcm_s16le', target);
  });
}

/** Nobody speaks: a WAV file as {@link synthesize} makes them. */
export function silence(seconds: number, kind: SilenceKind): Promise<string> {
  return cached(['nobody', seconds, kind], 'wav', (target) => {
    const noise = `anoisesrc=r=16000:a=${kind === 'room' ? ROOM_AMPLITUDE : 0}:seed=1:d=${seconds}`;
    return ffmpeg('-f', 'lavfi', '-i', noise, '-ac', '1', '-c:a', 'pcm_s16le', target);
  });
}

/** Several mono recordings as the channels of one WAV file, all as long as the longest. */
export async function asChannels(...speeches: readonly string[]): Promise<string> {
  const digests = await Promise.all(speeches.map(digestOf));
  const inputs = speeches.flatMap((speech) => ['-i', speech]);
  const padded = speeches.map((_, index) => `[${index}:a]apad[c${index}]`).join(';');
  const lengths = await Promise.all(speeches.map(durationSeconds));
  const joined = `${speeches.map((_, index) => `[c${index}]`).join('')}amerge=inputs=${speeches.length}`;
  return cached(['channels', ...digests], 'wav', (target) =>
    ffmpeg(...inputs, '-filter_complex', `${padded};${joined}`, '-t', String(Math.max(...lengths)), '-c:a', 'pcm_s16le', target),
  );
}

/** Recordings one after the other, as one WAV file. */
export async function inSequence(...speeches: readonly string[]): Promise<string> {
  const digests = await Promise.all(speeches.map(digestOf));
  const inputs = speeches.flatMap((speech) => ['-i', speech]);
  const joined = `${speeches.map((_, index) => `[${index}:a]`).join('')}concat=n=${speeches.length}:v=0:a=1`;
  return cached(['sequence', ...digests], 'wav', (target) => ffmpeg(...inputs, '-filter_complex', joined, '-c:a', 'pcm_s16le', target));
}

/** The same speech in another container and codec. */
export async function convert(speech: string, format: SpeechFormat): Promise<string> {
  return cached(['convert', await digestOf(speech), format], format, (target) =>
    ffmpeg('-i', speech, '-vn', '-map_metadata', '-1', ...ENCODERS[format], target),
  );
}

/** The same speech as a browser sends it: Opus in Ogg, 32 kbit/s, mono, in-band FEC for a network that loses so many percent (0: none). */
export async function convertForCall(speech: string, lossPercent: number): Promise<string> {
  const encoder = [...ENCODERS.ogg, '-ac', '1', '-application', 'voip', '-fec', '1', '-packet_loss', String(lossPercent)];
  return cached(['call', await digestOf(speech), lossPercent], 'ogg', (target) => ffmpeg('-i', speech, '-vn', '-map_metadata', '-1', ...encoder, target));
}

/** The bare samples: mono, signed 16 bit, little-endian. */
export async function rawSamples(speech: string, sampleRateHz: number): Promise<Buffer> {
  const file = await cached(['raw', await digestOf(speech), sampleRateHz], 'pcm', (target) =>
    ffmpeg('-i', speech, '-ac', '1', '-ar', String(sampleRateHz), '-f', 's16le', target),
  );
  return readFile(file);
}

/** Length of a recording in seconds, as ffprobe tells it. */
export async function durationSeconds(file: string): Promise<number> {
  const { stdout } = await execute('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', file]);
  return Number(stdout);
}

async function ffmpeg(...args: readonly string[]): Promise<unknown> {
  return execute('ffmpeg', ['-hide_banner', '-v', 'error', '-nostdin', '-y', ...args]);
}

/** Made beside its place and moved there whole, so that nobody ever reads a half-written file. */
async function cached(recipe: readonly unknown[], ending: string, make: (target: string) => Promise<unknown>): Promise<string> {
  const name = digest(JSON.stringify(recipe));
  const file = path.join(FOLDER, `${name}.${ending}`);
  if (await exists(file)) return file;
  await mkdir(FOLDER, { recursive: true });
  const draft = path.join(FOLDER, `${name}-${crypto.randomUUID()}.${ending}`);
  try {
    await make(draft);
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  return file;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function digestOf(file: string): Promise<string> {
  return digest(await readFile(file));
}

function digest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 24);
}
