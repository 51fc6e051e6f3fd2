import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createAudioDecoder } from '../media/containers/index.ts';
import { createWeriftEngine } from '../media/engines/werift.ts';
import { createSileroDetectors } from '../media/vad/silero.ts';
import { WebRtcSessions } from '../signaling/offer-answer.ts';
import { WebSocketTransport } from '../signaling/transports/websocket.ts';
import type { Config } from './config/config.ts';
import { guardedDoor } from './core/admission.ts';
import { systemClock } from './core/clock.ts';
import type { AudioDecoder } from './core/audio.ts';
import type { ObserveStage } from './core/stages.ts';
import { Sessions } from './core/session/sessions.ts';
import { createHttpServer } from './http/server.ts';
import type { Logger } from './observability/logger.ts';
import { StageHistograms } from './observability/stage-histograms.ts';
import { PocketSphinx } from './recognizers/pocketsphinx.ts';
import { Access, isLoopbackHost } from './tenancy/access.ts';

/** The letter by which clients know the self-hosted backend. */
const SELF_HOSTED = 'A';

/** What recognizes: the part of the server that the command line uses too. */
export interface RecognitionCore {
  readonly recognizer: PocketSphinx;
  readonly sessions: Sessions;
  readonly decode: AudioDecoder;
  close(): Promise<void>;
}

/** A running server. */
export interface App {
  readonly url: string;
  /** Lets sessions deliver what they heard, then ends everything. Idempotent. */
  close(): Promise<void>;
}

/** Builds the recognizer and the session core around it. */
export function createRecognitionCore(config: Config, log: Logger, observe?: ObserveStage): RecognitionCore {
  const recognizer = new PocketSphinx({
    modelFolder: config.modelDir,
    ...(config.engineProcesses !== undefined && { processes: config.engineProcesses }),
    ...(config.maxLiveSessions !== undefined && { maxLiveSessions: config.maxLiveSessions }),
    ...(config.maxBatchSessions !== undefined && { maxBatchSessions: config.maxBatchSessions }),
    onEngineExit: (exit) => {
      log.warn(exit, 'an engine process ended and is replaced; its sessions are replayed');
    },
    onEngineStartFailed: (reason) => {
      log.error({ reason }, 'an engine process did not start');
    },
  });
  const sessions = new Sessions({
    clock: systemClock,
    createId: () => `ses_${randomUUID()}`,
    recognizer,
    backend: SELF_HOSTED,
    createDetector: createSileroDetectors(),
    ...(observe && { observe }),
  });
  return {
    recognizer,
    sessions,
    decode: createAudioDecoder({ ffmpegPath: config.ffmpegPath }),
    close: async () => {
      await sessions.drain();
      await recognizer.close();
    },
  };
}

/** Builds the object graph and listens. Rejects with what the operating system says if the port cannot be had. */
export async function startApp(config: Config, apiKey: string, log: Logger): Promise<App> {
  const stages = new StageHistograms();
  const core = createRecognitionCore(config, log, stages.observe);
  const engine = createWeriftEngine({
    iceServers: config.iceServers.map(({ urls, username, credential }) => ({
      urls,
      ...(username !== undefined && { username }),
      ...(credential !== undefined && { credential }),
    })),
    maxPeers: config.maxPeers,
    track: { observe: stages.observe },
    additionalHostAddresses: ['127.0.0.1', ...config.announcedAddresses],
    ...(config.udpPorts !== undefined && { portRange: portRange(config.udpPorts) }),
    onWarning: (message, cause) => {
      log.warn({ err: cause }, message);
    },
  });
  const webrtc = new WebRtcSessions({ engine, clock: systemClock });
  const webSockets = new WebSocketTransport();
  const server = await createHttpServer({
    access: new Access({ apiKey, loopbackOnly: isLoopbackHost(config.host) }),
    sessions: core.sessions,
    openSession: guardedDoor([], (caller, wish) => core.sessions.open(caller, wish)),
    webrtc,
    recognizer: core.recognizer,
    decode: core.decode,
    webSockets,
    log,
    stages,
    maxInlineBytes: config.maxInlineBytes,
    pageDir: fileURLToPath(new URL('../web-demo/dist', import.meta.url)),
  });
  const stop = async (): Promise<void> => {
    await core.close();
    webrtc.close();
    await engine.close();
    webSockets.close();
    await server.close();
  };
  try {
    await server.listen({ host: config.host, port: config.port });
  } catch (error) {
    await stop();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return { url: urlOf(server.server.address() as AddressInfo), close: () => (closing ??= stop()) };
}

function urlOf(address: AddressInfo): string {
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${String(address.port)}`;
}

function portRange(text: string): readonly [number, number] {
  const [low = 0, high = 0] = text.split('-').map(Number);
  return [low, high];
}
