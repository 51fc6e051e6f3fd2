import { AudioRing } from '../audio-ring.ts';
import type { CaptureMessage } from './capture-message.ts';
import { clientProblem, type ClientProblemCode, type Problem } from '../problem.ts';
import type { Capture } from '../live/capture.ts';

/** Enough to bridge a lost connection together with the utterance that was not settled when it went. */
const RING_SECONDS = 30;
/** A context goes by the clock of its loudspeaker, and may stand still for seconds while that comes or goes. Browsers that cannot do without one pass over this. */
const WITHOUT_LOUDSPEAKER = { sinkId: { type: 'none' } } as AudioContextOptions;
/** What recognizers hear; a third of what most microphones tell. */
const SENT_RATE_HZ = 16_000;

export interface MicrophoneOptions {
  /** Address of the built `pcm-worklet`, from the page's own origin. */
  readonly workletUrl: string | URL;
  /** Default: the system's choice. */
  readonly deviceId?: string;
  /** Told 30 times a second; 1 is full scale. */
  readonly onLevel?: (rms: number, peak: number) => void;
  /** The device went away. */
  readonly onLost?: () => void;
}

/** Sound engineers' filters are off, because a recognizer hears better without them; the gain control helps distant speakers. */
const constraintsFor = (deviceId: string): MediaStreamConstraints => ({
  audio: {
    channelCount: 1,
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: true,
    ...(deviceId !== '' && { deviceId: { exact: deviceId } }),
  },
});

/** An open microphone: a track for WebRTC, and the same sound as PCM in a ring for the WebSocket. */
export class Microphone implements Capture {
  readonly ring: AudioRing;
  readonly #context: AudioContext;
  readonly #worklet: AudioWorkletNode;
  readonly #options: MicrophoneOptions;
  readonly #chunkListeners = new Set<() => void>();
  #stream: MediaStream;
  #input: MediaStreamAudioSourceNode;
  /** `performance.now()` at sample 0, as near as the arrival of the chunks tells. */
  #startMs = Number.POSITIVE_INFINITY;
  #drained: (() => void) | undefined;

  /** Asks for permission if need be. Rejects with a Problem. */
  static async open(options: MicrophoneOptions): Promise<Microphone> {
    // Ready before the microphone is, so that its first word is heard.
    const context = await openContext(options.workletUrl, SENT_RATE_HZ);
    let stream: MediaStream | undefined;
    try {
      stream = await openStream(options.deviceId ?? '');
      return await Microphone.#listen(stream, context, options);
    } catch (error) {
      await context.close();
      if (!stream) throw error;
    }
    // Firefox hears a microphone at its own rate alone.
    const other = await openContext(options.workletUrl);
    try {
      return await Microphone.#listen(stream, other, options);
    } catch {
      stopTracks(stream);
      await other.close();
      throw clientProblem('MICROPHONE_FAILED');
    }
  }

  static async #listen(stream: MediaStream, context: AudioContext, options: MicrophoneOptions): Promise<Microphone> {
    const microphone = new Microphone(stream, context, options);
    await context.resume();
    return microphone;
  }

  private constructor(stream: MediaStream, context: AudioContext, options: MicrophoneOptions) {
    this.#stream = stream;
    this.#context = context;
    this.#options = options;
    this.ring = new AudioRing(RING_SECONDS * context.sampleRate);
    this.#worklet = new AudioWorkletNode(context, 'capture', { channelCount: 1, channelCountMode: 'explicit' });
    this.#worklet.port.onmessage = ({ data }: MessageEvent<CaptureMessage>) => this.#receive(data);
    // Its output is silence; some browsers run only what leads to the loudspeaker.
    this.#worklet.connect(context.destination);
    this.#input = this.#attach(stream);
  }

  get stream(): MediaStream {
    return this.#stream;
  }

  get track(): MediaStreamTrack {
    const [track] = this.#stream.getAudioTracks();
    if (!track) throw clientProblem('MICROPHONE_FAILED');
    return track;
  }

  get sampleRateHz(): number {
    return this.#context.sampleRate;
  }

  /** The sample that is being spoken at this moment. */
  nowSample(): number {
    if (this.#startMs === Number.POSITIVE_INFINITY) return 0;
    return Math.round(((performance.now() - this.#startMs) / 1000) * this.sampleRateHz);
  }

  /** `performance.now()` at which a sample was spoken. */
  spokenAtMs(sample: number): number {
    return this.#startMs + (sample / this.sampleRateHz) * 1000;
  }

  /** Called whenever the ring has grown; the returned function ends that. */
  onChunk(listener: () => void): () => void {
    this.#chunkListeners.add(listener);
    return () => this.#chunkListeners.delete(listener);
  }

  /** Resolves when everything heard so far is in the ring. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      // A suspended audio thread does not answer; then there is nothing more to hear either.
      const timer = setTimeout(resolve, 500);
      this.#drained = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#worklet.port.postMessage('drain');
    });
  }

  /** Goes on with another device, in the same capture. Resolves with its track. */
  async change(deviceId: string): Promise<MediaStreamTrack> {
    const stream = await openStream(deviceId);
    const previous = this.#stream;
    this.#input.disconnect();
    this.#stream = stream;
    this.#input = this.#attach(stream);
    stopTracks(previous);
    return this.track;
  }

  close(): void {
    stopTracks(this.#stream);
    this.#worklet.port.onmessage = null;
    this.#chunkListeners.clear();
    this.#context.close().catch(() => undefined);
  }

  #attach(stream: MediaStream): MediaStreamAudioSourceNode {
    const input = this.#context.createMediaStreamSource(stream);
    input.connect(this.#worklet);
    for (const track of stream.getAudioTracks()) track.onended = () => this.#options.onLost?.();
    return input;
  }

  #receive(message: CaptureMessage): void {
    switch (message.type) {
      case 'level':
        this.#options.onLevel?.(message.rms, message.peak);
        return;
      case 'chunk': {
        this.ring.append(message.samples);
        const startMs = performance.now() - (this.ring.endSample / this.sampleRateHz) * 1000;
        this.#startMs = Math.min(this.#startMs, startMs);
        for (const listener of this.#chunkListeners) listener();
        return;
      }
      case 'drained':
        this.#drained?.();
        return;
    }
  }
}

/** Microphones by name; nameless until the permission was given once. */
export async function listMicrophones(): Promise<readonly MediaDeviceInfo[]> {
  if (!('mediaDevices' in navigator)) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === 'audioinput' && device.deviceId !== '' && device.label !== '');
}

/** `sampleRate` undefined: the browser's own choice. Rejects with `MICROPHONE_FAILED`. */
async function openContext(workletUrl: string | URL, sampleRate?: number): Promise<AudioContext> {
  const context = new AudioContext({ latencyHint: 'interactive', ...WITHOUT_LOUDSPEAKER, ...(sampleRate !== undefined && { sampleRate }) });
  try {
    await context.audioWorklet.addModule(workletUrl);
    return context;
  } catch {
    await context.close();
    throw clientProblem('MICROPHONE_FAILED');
  }
}

async function openStream(deviceId: string): Promise<MediaStream> {
  if (!('mediaDevices' in navigator)) throw clientProblem('MICROPHONE_INSECURE');
  try {
    return await navigator.mediaDevices.getUserMedia(constraintsFor(deviceId));
  } catch (error) {
    // The chosen device is gone: the system's choice is better than none.
    if (deviceId !== '' && error instanceof DOMException && error.name === 'OverconstrainedError') return openStream('');
    throw microphoneProblem(error);
  }
}

const PROBLEM_BY_EXCEPTION: Readonly<Record<string, ClientProblemCode>> = {
  NotAllowedError: 'MICROPHONE_DENIED',
  SecurityError: 'MICROPHONE_DENIED',
  NotFoundError: 'MICROPHONE_MISSING',
  NotReadableError: 'MICROPHONE_BUSY',
  AbortError: 'MICROPHONE_BUSY',
};

function microphoneProblem(error: unknown): Problem {
  const name = error instanceof DOMException ? error.name : '';
  return clientProblem(PROBLEM_BY_EXCEPTION[name] ?? 'MICROPHONE_FAILED');
}

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}
