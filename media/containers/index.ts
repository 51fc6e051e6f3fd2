import { tmpdir } from 'node:os';
import { SAMPLE_RATE_HZ, type AudioDecoder, type AudioFormat, type DecodedAudio } from '../../src/core/audio.ts';
import { EarshotError, toEarshotError } from '../../src/core/errors.ts';
import { PcmStream } from '../pcm/pcm-stream.ts';
import { ByteReader } from './byte-reader.ts';
import { detectContainer, SNIFF_BYTES, type Container } from './detect.ts';
import { Ffmpeg } from './ffmpeg.ts';
import { LaneBank } from './lane-bank.ts';
import { Mp4Layout, type Mp4Decision } from './mp4-layout.ts';
import { opusPacketSource } from './opus-packets.ts';
import { openWavSource, rawSource, type PcmSource } from './pcm-source.ts';
import { spool } from './spool.ts';
import { checkPcmShape } from './wav-format.ts';

export interface AudioDecoderOptions {
  /** Program that decodes all containers but WAV. Default `ffmpeg`. */
  readonly ffmpegPath?: string;
  /** Scheduling niceness of that program, added to that of this process. Default 0. */
  readonly niceness?: number;
  /** Where an MP4 that needs it is kept while it comes in. Default the system's folder for temporary files. */
  readonly tempDir?: string;
  /** More channels are refused with `AUDIO_UNSUPPORTED`. Default 8. */
  readonly maxChannels?: number;
  /** Longest MP4 with its index at the end, in bytes; more is refused with `AUDIO_TOO_LARGE`. Default 512 MiB. */
  readonly maxSpoolBytes?: number;
}

/** What may follow the samples and is still read, so that an upload with tags at its end is not broken off. */
const MAX_TRAILER_BYTES = 1024 * 1024;

/**
 * The decoder of all containers. WAV and raw samples are read here, everything else by an ffmpeg process.
 *
 * A declared container is a hint: the first bytes decide (but `raw` is believed, save that 16-bit raw may begin with a WAV header).
 * So nothing resolves before the first bytes have come. Beyond the port's codes it rejects with `AUDIO_TOO_LARGE` and, without ffmpeg,
 * `BACKEND_UNAVAILABLE`; an abort ends promise and lanes with the signal's reason, if that is an `EarshotError`.
 * After a fault, an abort, or once no lane is read any more, the iterator's `return` is called.
 */
export function createAudioDecoder(options: AudioDecoderOptions = {}): AudioDecoder {
  const settings: Settings = {
    ffmpegPath: options.ffmpegPath ?? 'ffmpeg',
    niceness: options.niceness ?? 0,
    tempDir: options.tempDir ?? tmpdir(),
    maxChannels: options.maxChannels ?? 8,
    maxSpoolBytes: options.maxSpoolBytes ?? 512 * 1024 * 1024,
  };
  return (bytes, format, signal) => decode(new ByteReader(bytes), format, signal, settings);
}

type Settings = Required<AudioDecoderOptions>;

/** A source, and when it will pull no more from the sender. */
interface OpenedSource {
  readonly source: PcmSource;
  readonly inputDone: Promise<void>;
}

async function decode(input: ByteReader, format: AudioFormat, signal: AbortSignal, settings: Settings): Promise<DecodedAudio> {
  const stop = new AbortController();
  let bank: LaneBank | undefined;
  const onAbort = (): void => {
    bank?.abort(toEarshotError(signal.reason));
    stop.abort();
  };
  const finish = (): void => {
    signal.removeEventListener('abort', onAbort);
    stop.abort();
  };
  stop.signal.addEventListener('abort', () => input.stop(), { once: true });
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const opened = await openSource(input, format, settings, stop.signal);
    signal.throwIfAborted();
    const mixdown = format.mixdown === true;
    bank = new LaneBank(mixdown ? 1 : opened.source.format.channels, () => stop.abort());
    void pump(opened, bank, input, { mixdown, stop: stop.signal }).finally(finish);
    return { lanes: bank.lanes };
  } catch (error) {
    finish();
    throw toEarshotError(signal.aborted ? signal.reason : error);
  }
}

/** Never rejects. */
async function pump(opened: OpenedSource, bank: LaneBank, input: ByteReader, options: { readonly mixdown: boolean; readonly stop: AbortSignal }): Promise<void> {
  const { source, inputDone } = opened;
  const arrange = options.mixdown ? mixed : (block: readonly Int16Array[]): readonly Int16Array[] => block;
  try {
    const pcm = new PcmStream(source.format);
    for (let bytes = await source.next(); bytes; bytes = await source.next()) {
      for (const block of pcm.push(bytes)) {
        await bank.write(arrange(block));
        if (options.stop.aborted) return;
      }
    }
    for (const block of pcm.flush()) await bank.write(arrange(block));
    if (bank.writtenSamples === 0) throw source.nothingDecoded();
    bank.end();
    await inputDone;
    await input.drain(MAX_TRAILER_BYTES);
  } catch (error) {
    bank.fail(toEarshotError(error));
  }
}

/** The mean of all channels. */
function mixed(block: readonly Int16Array[]): readonly Int16Array[] {
  const [first] = block;
  if (!first || block.length === 1) return block;
  return [first.map((_, index) => Math.round(block.reduce((sum, channel) => sum + (channel[index] ?? 0), 0) / block.length))];
}

async function openSource(input: ByteReader, format: AudioFormat, settings: Settings, stop: AbortSignal): Promise<OpenedSource> {
  if (format.container === 'opus-packets') return here(opusPacketSource(input));
  const container = format.container === 'raw' ? await sniffRaw(input) : await sniff(input);
  if (container === 'raw') return here(openRaw(input, format, settings.maxChannels));
  if (container === 'wav') return here(await openWavSource(input, settings.maxChannels));
  if (container === 'mp4' && (await mp4Decision(input)) !== 'stream') return openSpooled(input, settings, stop);
  const ffmpeg = await Ffmpeg.start({ ffmpegPath: settings.ffmpegPath, niceness: settings.niceness, container, input, stop });
  return { source: await openWavSource(ffmpeg, settings.maxChannels), inputDone: ffmpeg.inputDone };
}

function here(source: PcmSource): OpenedSource {
  return { source, inputDone: Promise.resolve() };
}

function openRaw(input: ByteReader, format: AudioFormat, maxChannels: number): PcmSource {
  const { encoding = 's16', channels = 1, sampleRateHz = SAMPLE_RATE_HZ } = format;
  checkPcmShape({ channels, sampleRateHz }, maxChannels);
  return rawSource(input, { encoding, channels, sampleRateHz });
}

async function openSpooled(input: ByteReader, settings: Settings, stop: AbortSignal): Promise<OpenedSource> {
  const file = await spool(input, settings.tempDir, settings.maxSpoolBytes);
  try {
    const { ffmpegPath, niceness, maxChannels } = settings;
    const ffmpeg = await Ffmpeg.start({ ffmpegPath, niceness, container: 'mp4', input: { fileDescriptor: file.fd }, stop });
    return here(await openWavSource(ffmpeg, maxChannels));
  } finally {
    await file.close();
  }
}

async function sniff(input: ByteReader): Promise<Container> {
  const head = await input.peek((bytes) => detectContainer(bytes) !== 'incomplete');
  if (head.length === 0) throw new EarshotError('AUDIO_EMPTY', 'Not one byte of audio was sent.');
  const detection = detectContainer(head);
  if (detection === 'incomplete') throw new EarshotError('AUDIO_TRUNCATED', `The audio ends after ${head.length} bytes.`);
  if (detection === 'unknown') {
    throw new EarshotError('AUDIO_UNSUPPORTED', 'The bytes are not audio in a known container (WAV, MP3, FLAC, Ogg, MP4/M4A, WebM).');
  }
  return detection;
}

/** Clients that announce raw samples and then send a WAV file are common, and a header is no sound: it says itself what follows it. */
async function sniffRaw(input: ByteReader): Promise<'raw' | 'wav'> {
  const text = (head: Uint8Array, from: number, to: number): string => String.fromCharCode(...head.subarray(from, to));
  const head = await input.peek((bytes) => bytes.length >= SNIFF_BYTES || !'RIFF'.startsWith(text(bytes, 0, 4)));
  return text(head, 0, 4) === 'RIFF' && text(head, 8, 12) === 'WAVE' ? 'wav' : 'raw';
}

/** Reads as much of the file as it takes to know; puts it back. */
async function mp4Decision(input: ByteReader): Promise<Mp4Decision> {
  const layout = new Mp4Layout();
  const held: Uint8Array[] = [];
  let decision: Mp4Decision = 'undecided';
  while (decision === 'undecided') {
    const chunk = await input.next();
    if (!chunk) break;
    held.push(chunk);
    decision = layout.push(chunk);
  }
  input.unread(held);
  return decision;
}
