import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { availableParallelism, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAudioDecoder } from '../media/containers/index.ts';
import { createSileroDetectors } from '../media/vad/silero.ts';
import { WebRtcSessions } from '../signaling/offer-answer.ts';
import { WhipRooms } from '../signaling/whip-rooms.ts';
import { RealtimeCalls } from '../signaling/realtime-calls.ts';
import { ResumableSessions } from '../signaling/resumable-sessions.ts';
import { WebSocketTransport } from '../signaling/transports/websocket.ts';
import type { Config } from './config/config.ts';
import { guardedDoor } from './core/admission.ts';
import type { Backend } from './core/backend.ts';
import { systemClock } from './core/clock.ts';
import type { AudioDecoder } from './core/audio.ts';
import type { SpeechDetectorFactory } from './core/speech-detector.ts';
import type { ObserveStage } from './core/stages.ts';
import { Sessions } from './core/session/sessions.ts';
import type { TenantStore } from './core/store/tenants.ts';
import { CERTIFICATE_FILE, certificateFromFiles, type CertificateSource, selfSignedCertificate } from './http/certificate.ts';
import { audioPodEvent, audioPodHeaders } from '../signaling/dialects/audiopod-webhooks.ts';
import { describeJob } from './http/describe-job.ts';
import { recoveredJob } from './http/recovered-job.ts';
import { LiveSessions } from './http/gladia/live-sessions.ts';
import { createHttpServer } from './http/server.ts';
import { type ClosableAnalyst, createAnalyst } from './language/analyst.ts';
import { createChatCompletions } from './language/chat-completions.ts';
import { createMediaEngine } from './media-engine.ts';
import { createJobSystem } from './jobs/job-system.ts';
import { Uploads } from './jobs/uploads.ts';
import { SessionRecorder } from './jobs/session-recorder.ts';
import { WebhookSecrets } from './jobs/webhook-secrets.ts';
import { Webhooks } from './jobs/webhooks.ts';
import type { Logger } from './observability/logger.ts';
import { LaneStats } from './observability/lane-stats.ts';
import { StageHistograms } from './observability/stage-histograms.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { Outbound } from './outbound/outbound.ts';
import type { BackendContext } from './recognizers/backend-context.ts';
import { createBackends } from './recognizers/index.ts';
import { createSpeakerEngine } from './speakers/engine-client.ts';
import { Enrolment } from './speakers/enrolment.ts';
import type { SpeakerEngine } from './speakers/speaker-engine.ts';
import { type KnownVoice, VoiceAttribution } from './speakers/voice-attribution.ts';
import { BATCH_NICENESS } from './processes/priority.ts';
import { type DataFolder, openDataFolder } from './stores/data-folder.ts';
import { createWriting } from './text/writing.ts';
import { isLoopbackHost } from './tenancy/access.ts';
import { Metering } from './tenancy/metering.ts';
import { DataKey } from './tenancy/sealing.ts';
import { createTenancy, type Tenancy, tenantSecretsSealer } from './tenancy/tenancy.ts';

/** What waits behind a callback of a live session should not wait long. */
const LIVE_CALLBACK_TIMEOUT_MS = 10_000;

/** What recognizes: the part of the server that the command line uses too. */
export interface RecognitionCore {
  readonly backends: readonly Backend[];
  readonly sessions: Sessions;
  readonly dispatcher: Dispatcher;
  readonly decode: AudioDecoder;
  readonly createDetector: SpeechDetectorFactory;
  readonly speakerEngine: SpeakerEngine;
  close(): Promise<void>;
}

/** A running server. */
export interface App {
  readonly url: string;
  /** What receives WebRTC: `mediasoup` or `werift`. */
  readonly mediaEngine: string;
  /** Of the self-signed certificate, for clients that are to trust it; absent where there is none. */
  readonly certificatePath?: string;
  /** Lets sessions deliver what they heard, then ends everything. Idempotent. */
  close(): Promise<void>;
}

export interface RecognitionOptions {
  readonly observe?: ObserveStage;
  /** Keys that tenants keep here for relays. Default: they keep none. */
  readonly tenantSecret?: BackendContext['tenantSecret'];
  /** Voices that the tenant has enrolled. Default: none. */
  readonly knownVoices?: (tenantId: string) => Promise<readonly KnownVoice[]>;
}

/** Builds the recognizers and the session core around it. */
export function createRecognitionCore(config: Config, log: Logger, policies: Pick<TenantStore, 'policy'>, options: RecognitionOptions = {}): RecognitionCore {
  const { observe, tenantSecret, knownVoices = () => Promise.resolve([]) } = options;
  const backends = createBackends({ config, log, ...(tenantSecret && { tenantSecret }) });
  const speakerEngine = createSpeakerEngine({
    ...(config.speakerModelDir !== undefined && { modelFolder: config.speakerModelDir }),
    onExit: (exit) => {
      log.warn(exit, 'the speaker engine ended and is replaced');
    },
  });
  const createDetector = createSileroDetectors();
  const sessions = new Sessions({
    clock: systemClock,
    createId: () => `ses_${randomUUID()}`,
    ...(config.keepTranscripts && { createJobId: () => `job_${randomUUID()}` }),
    parallelPieces: availableParallelism(),
    createDetector,
    createAttribution: ({ tenantId }) =>
      new VoiceAttribution({
        engine: speakerEngine,
        knownVoices: () => knownVoices(tenantId),
        onFault: (err) => {
          log.error({ err }, 'speakers could not be told apart; the words go out without labels');
        },
      }),
    createWriting,
    ...(observe && { observe }),
  });
  return {
    backends,
    sessions,
    dispatcher: new Dispatcher({
      backends,
      sessions,
      policies,
      clock: systemClock,
      onFailure: ({ cause, ...failure }) => {
        log.warn({ ...failure, err: cause }, 'a recognizer failed a session');
      },
    }),
    decode: createAudioDecoder({ ffmpegPath: config.ffmpegPath }),
    createDetector,
    speakerEngine,
    close: async () => {
      await sessions.drain();
      await Promise.all([...backends.map((backend) => backend.close()), speakerEngine.close()]);
    },
  };
}

/**
 * Opens the data folder, builds the object graph and listens. Throws `STORE_UNAVAILABLE` if the folder cannot be had, and rejects with what
 * the operating system says if the port cannot.
 */
export async function startApp(config: Config, apiKey: string, log: Logger): Promise<App> {
  const data = await openDataFolder(config.dataDir);
  try {
    return await startAppOn(data, config, apiKey, log);
  } catch (error) {
    await data.close();
    throw error;
  }
}

async function startAppOn(data: DataFolder, config: Config, apiKey: string, log: Logger): Promise<App> {
  const stages = new StageHistograms();
  const tenancy = tenancyOf(data, config, apiKey);
  const core = createRecognitionCore(config, log, data.store.tenants, {
    observe: stages.observe,
    tenantSecret: (tenantId, name) => tenancy.secrets.read(tenantId, name),
    knownVoices: (tenantId) => enrolment.knownVoices(tenantId),
  });
  tenancy.policies.onChange((tenantId, policy) => {
    core.dispatcher.policyChanged(tenantId, policy);
  });
  const enrolment = new Enrolment({
    store: data.store.speakers,
    blobs: data.speakerBlobs,
    sealer: DataKey.keptIn(config.dataDir).sealer('biometric'),
    engine: core.speakerEngine,
    decode: core.decode,
    createDetector: core.createDetector,
    clock: systemClock,
    nowMs: () => Date.now(),
    noteExpiry: ({ tenantId, id }) => data.store.audit.append({ tenantId, keyId: 'expiry', atMs: Date.now(), action: 'speaker.expire', subject: id, details: {} }),
    onFault: (err) => {
      log.error({ err }, 'an enrolment could not be finished');
    },
  });
  core.dispatcher.warmUp();
  const { engine: chosen, reason } = await createMediaEngine(config, log, stages.observe);
  const lanes = new LaneStats();
  const engine = lanes.watch(chosen);
  log.info({ mediaEngine: engine.id, ...(reason !== undefined && { reason }) }, `WebRTC is received by ${engine.id}`);
  const metering = new Metering({ store: data.store, clock: systemClock, log });
  const outbound = new Outbound({ allowedNetworks: config.outboundNetworks });
  const webhooks = new Webhooks({ store: data.store, sealer: DataKey.keptIn(config.dataDir).sealer('webhook secrets'), outbound, wire: { body: audioPodEvent, headers: audioPodHeaders }, clock: systemClock, now: Date.now, log });
  const recorder = new SessionRecorder({
    jobs: data.store.jobs,
    live: data.store.live,
    recovered: recoveredJob,
    written: () => {
      webhooks.wake();
    },
    now: Date.now,
    log,
  });
  const openSession = guardedDoor([tenancy.sessionLimits, metering.guard, recorder.guard], (caller, wish) => core.dispatcher.open(caller, wish));
  const webhookSecrets = new WebhookSecrets(data.store.tenants, tenantSecretsSealer(DataKey.keptIn(config.dataDir)));
  const analyst = analystOf(config, data, log);
  const jobSystem = createJobSystem({
    store: data.store,
    blobs: data.blobs,
    openSession,
    decode: createAudioDecoder({ ffmpegPath: config.ffmpegPath, niceness: BATCH_NICENESS }),
    outbound,
    analyst,
    secrets: webhookSecrets,
    webhooks,
    describe: describeJob,
    workers: config.jobWorkers ?? availableParallelism(),
    maxQueuedJobs: config.maxQueuedJobs,
    maxUploadBytes: config.maxUploadBytes,
    keepAudio: config.keepJobAudio,
    retentionDays: config.transcriptRetentionDays,
    clock: systemClock,
    now: Date.now,
    log,
  });
  const webrtc = new WebRtcSessions({ engine, clock: systemClock });
  const resumable = new ResumableSessions({
    decode: core.decode,
    clock: systemClock,
    observe: stages.observe,
    onFault: (error) => {
      if (error.rule.httpStatus >= 500) log.warn({ code: error.code, err: error.cause }, 'stream failed');
    },
  });
  const webSockets = new WebSocketTransport();
  const gladia = new LiveSessions({
    openSession,
    decode: core.decode,
    analyst,
    callbacks: { outbound, secretOf: (tenantId) => webhookSecrets.get(tenantId), clock: systemClock, now: Date.now, timeoutMs: LIVE_CALLBACK_TIMEOUT_MS },
    jobs: data.store.jobs,
    live: data.store.live,
    blobs: data.blobs,
    keepTranscripts: config.keepTranscripts,
    keepAudio: config.keepJobAudio,
    observe: stages.observe,
    log,
  });
  const certificate = certificateOf(config);
  const server = await createHttpServer({
    tenancy,
    sessions: core.sessions,
    openSession,
    jobs: jobSystem.jobs,
    transcripts: data.store.transcripts,
    blobs: data.blobs,
    uploads: new Uploads(data.blobs, DataKey.keptIn(config.dataDir).sealer('uploads')),
    webhookSecrets,
    webhooks,
    recorder,
    now: Date.now,
    webrtc,
    whip: new WhipRooms(engine),
    calls: new RealtimeCalls(webrtc),
    resumable,
    dispatcher: core.dispatcher,
    decode: core.decode,
    analyst,
    enrolment,
    webSockets,
    gladia,
    log,
    stages,
    lanes,
    usage: data.store.usage,
    audit: data.store.audit,
    maxInlineBytes: config.maxInlineBytes,
    maxOpenAiFileBytes: config.maxOpenAiFileBytes,
    maxUploadBytes: config.maxUploadBytes,
    ...(certificate && { certificate }),
    pageDir: fileURLToPath(new URL('../web-demo/dist', import.meta.url)),
  });
  await recorder.recover();
  await metering.recover();
  await gladia.recover();
  await enrolment.start();
  const stop = async (): Promise<void> => {
    // First: running jobs go back to the queue instead of ending with their sessions.
    await jobSystem.close();
    await enrolment.close();
    await core.close();
    // Who ends now does not wait for a language model.
    analyst.close();
    await gladia.settled();
    gladia.close();
    resumable.close();
    webrtc.close();
    await engine.close();
    webSockets.close();
    await server.close();
    // What ended above is still recorded.
    await metering.settled();
    await recorder.settled();
    await data.close();
  };
  try {
    await server.listen({ host: config.host, port: config.port });
    jobSystem.start();
  } catch (error) {
    await stop();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return { mediaEngine: engine.id, url: urlOf(server.server.address() as AddressInfo, certificate ? 'https' : 'http'), ...(config.tls && config.tlsCert === undefined && { certificatePath: selfSignedPath(config) }), close: () => (closing ??= stop()) };
}

function analystOf({ languageModelUrl: url, languageModel: model, languageModelKey: key, languageModelBackend: letter, languageModelTimeoutMs: timeoutMs, languageModelConcurrency: concurrency }: Config, data: DataFolder, log: Logger): ClosableAnalyst {
  return createAnalyst({
    ...(url !== undefined && model !== undefined && { model: createChatCompletions({ url, model, letter, timeoutMs, clock: systemClock, ...(key !== undefined && { key }) }) }),
    policies: data.store.tenants,
    clock: systemClock,
    concurrency,
    onFailure: (failure) => {
      log.warn(failure, 'the language model failed a task');
    },
  });
}

function tenancyOf({ store }: DataFolder, config: Config, apiKey: string): Tenancy {
  const { requestsPerMinute, failedLoginsPerMinute } = config;
  const keyless = config.letAnybodyIn === undefined ? (isLoopbackHost(config.host) ? 'local' : 'nobody') : 'everybody';
  return createTenancy({ store, dataKey: DataKey.keptIn(config.dataDir), operatorSecret: apiKey, keyless, requestsPerMinute, failedLoginsPerMinute, clock: systemClock });
}

function certificateOf(config: Config): CertificateSource | undefined {
  const { tls, tlsCert, tlsKey, host, announcedAddresses } = config;
  if (tlsCert !== undefined && tlsKey !== undefined) return certificateFromFiles(tlsCert, tlsKey);
  if (!tls) return undefined;
  const names = new Set(['localhost', '127.0.0.1', '::1', hostname(), ...(/^(0\.0\.0\.0|::)$/.test(host) ? [] : [host]), ...announcedAddresses]);
  return selfSignedCertificate({ folder: dirname(selfSignedPath(config)), names: [...names], nowMs: Date.now });
}

const selfSignedPath = ({ dataDir }: Config): string => join(dataDir, 'tls', CERTIFICATE_FILE);

function urlOf(address: AddressInfo, scheme: 'http' | 'https'): string {
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${scheme}://${host}:${String(address.port)}`;
}
