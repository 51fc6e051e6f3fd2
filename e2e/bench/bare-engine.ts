/**
 * The engine alone, as fast as it goes: one decoder in one process, whole utterances, no interims, no server. The limit that a
 * server around it could reach at best. Forked with a job file; answers by IPC.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import koffi from 'koffi';

/** As the server's decoders have them. */
const DECODER_OPTIONS = ['-cmn', 'live', '-remove_silence', 'no', '-maxhmmpf', '5000', '-maxwpf', '10'];
const MODEL = process.env['EARSHOT_MODEL_DIR'] ?? '/usr/share/pocketsphinx/model/en-us';
const SAMPLES_PER_SECOND = 16_000;

export interface BareResult {
  /** Wall time for a second of the audio that was decoded. */
  readonly wallPerSecond: number;
  /** CPU time for the same. */
  readonly cpuPerSecond: number;
  readonly audioSeconds: number;
  readonly texts: readonly string[];
}

interface Job {
  readonly pcmFile: string;
  readonly utteranceSamples: readonly number[];
}

/** Decodes in `processes` processes at once, each all utterances; answers their mean. */
export async function runBareEngines(processes: number, utterances: readonly Int16Array[], folder: string): Promise<BareResult> {
  const job: Job = { pcmFile: path.join(folder, 'bare.pcm'), utteranceSamples: utterances.map((each) => each.length) };
  const jobFile = path.join(folder, 'bare.json');
  await writeFile(job.pcmFile, Buffer.concat(utterances.map((each) => Buffer.from(each.buffer, each.byteOffset, each.byteLength))));
  await writeFile(jobFile, JSON.stringify(job));
  const children = Array.from({ length: processes }, () => fork(import.meta.filename, [jobFile]));
  try {
    // All have loaded their models before the first begins.
    await Promise.all(children.map((child) => once(child, 'message')));
    const results = children.map(async (child) => ((await once(child, 'message')) as [BareResult])[0]);
    for (const child of children) child.send('go');
    const all = await Promise.all(results);
    const mean = (pick: (result: BareResult) => number): number => all.reduce((sum, result) => sum + pick(result), 0) / all.length;
    return { ...all[0]!, wallPerSecond: mean((each) => each.wallPerSecond), cpuPerSecond: mean((each) => each.cpuPerSecond) };
  } finally {
    for (const child of children) child.kill();
  }
}

async function decode(jobFile: string): Promise<void> {
  const job = JSON.parse(await readFile(jobFile, 'utf8')) as Job;
  const bytes = await readFile(job.pcmFile);
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const recognize = loadDecoder();
  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  let offset = 0;
  const texts = job.utteranceSamples.map((length) => {
    offset += length;
    return recognize(samples.subarray(offset - length, offset));
  });
  const wallSeconds = (performance.now() - startMs) / 1000;
  const cpu = process.cpuUsage(startCpu);
  const audioSeconds = samples.length / SAMPLES_PER_SECOND;
  const result: BareResult = { wallPerSecond: wallSeconds / audioSeconds, cpuPerSecond: (cpu.user + cpu.system) / 1e6 / audioSeconds, audioSeconds, texts };
  process.send?.(result);
}

function loadDecoder(): (samples: Int16Array) => string {
  const base = koffi.load('libsphinxbase.so.3');
  const engine = koffi.load('libpocketsphinx.so.3');
  base.func('void err_set_logfp(void *stream)')(null);
  const args = ['bare', '-hmm', `${MODEL}/en-us`, '-lm', `${MODEL}/en-us.lm.bin`, '-dict', `${MODEL}/cmudict-en-us.dict`, ...DECODER_OPTIONS];
  const definitions = engine.func('void *ps_args()')() as bigint;
  const parse = base.func('void *cmd_ln_parse_r(void *inout, void *defn, int argc, char **argv, int strict)');
  const config = parse(null, definitions, args.length, args, 1) as bigint | null;
  const decoder = config === null ? null : (engine.func('void *ps_init(void *config)')(config) as bigint | null);
  if (decoder === null) throw new Error('the engine did not load');
  const startUtterance = engine.func('int ps_start_utt(void *ps)');
  const search = engine.func('int ps_process_raw(void *ps, int16_t *samples, size_t n, int no_search, int full_utt)');
  const endUtterance = engine.func('int ps_end_utt(void *ps)');
  const hypothesis = engine.func('const char *ps_get_hyp(void *ps, void *score)');
  return (samples) => {
    startUtterance(decoder);
    // The whole utterance in one call: its own cepstral mean, as the batch tool has it.
    search(decoder, samples, BigInt(samples.length), 0, 1);
    endUtterance(decoder);
    return ((hypothesis(decoder, null) as string | null) ?? '').replaceAll(/\(\d+\)/g, '');
  };
}

const [, script, jobFile] = process.argv;
if (script === import.meta.filename && jobFile !== undefined) await decode(jobFile);
