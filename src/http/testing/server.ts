import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { WebRtcSessions } from '../../../signaling/offer-answer.ts';
import { RealtimeCalls } from '../../../signaling/realtime-calls.ts';
import { ResumableSessions } from '../../../signaling/resumable-sessions.ts';
import { FakeEngine } from '../../../signaling/testing/fake-engine.ts';
import { rawDecoder } from '../../../signaling/testing/raw-decoder.ts';
import { audioPodEvent, audioPodHeaders } from '../../../signaling/dialects/audiopod-webhooks.ts';
import { WhipRooms } from '../../../signaling/whip-rooms.ts';
import { WebSocketTransport } from '../../../signaling/transports/websocket.ts';
import { guardedDoor } from '../../core/admission.ts';
import type { AudioDecoder } from '../../core/audio.ts';
import { ManualClock, systemClock } from '../../core/clock.ts';
import type { Recognizer } from '../../core/recognizer.ts';
import type { Store } from '../../core/store.ts';
import type { BlobStore } from '../../core/store/blobs.ts';
import { Sessions } from '../../core/session/sessions.ts';
import { backendOf } from '../../core/testing/fake-backend.ts';
import { FakeAnalyst } from '../../core/testing/fake-analyst.ts';
import { FakeDetectors } from '../../core/testing/fake-detector.ts';
import { FakeRecognizer } from '../../core/testing/fake-recognizer.ts';
import { Dispatcher } from '../../dispatch/dispatcher.ts';
import { createSpeakerEngine } from '../../speakers/engine-client.ts';
import { Enrolment } from '../../speakers/enrolment.ts';
import { MemoryBlobs } from '../../speakers/testing/memory.ts';
import { createJobSystem } from '../../jobs/job-system.ts';
import { Uploads } from '../../jobs/uploads.ts';
import { SessionRecorder } from '../../jobs/session-recorder.ts';
import { openTestStore } from '../../jobs/testing/store.ts';
import { LaneStats } from '../../observability/lane-stats.ts';
import { StageHistograms } from '../../observability/stage-histograms.ts';
import { Metering } from '../../tenancy/metering.ts';
import { Webhooks } from '../../jobs/webhooks.ts';
import { WebhookSecrets } from '../../jobs/webhook-secrets.ts';
import { Outbound } from '../../outbound/outbound.ts';
import { DataKey } from '../../tenancy/sealing.ts';
import { createTenancy, type Tenancy, tenantSecretsSealer } from '../../tenancy/tenancy.ts';
import { describeJob } from '../describe-job.ts';
import { recoveredJob } from '../recovered-job.ts';
import { LiveSessions } from '../gladia/live-sessions.ts';
import { createHttpServer } from '../server.ts';
import type { HttpServices } from '../services.ts';
import { demandTruthfulAnswers } from './truthful-answers.ts';

export const KEY = 'sgk_0123456789abcdef';
export const BASE = '/v1/modules/scaiecho';

/** The server with everything behind it faked: bytes are 16-bit PCM, loud is speech. */
export interface TestServer {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly clock: ManualClock;
  readonly recognizer: FakeRecognizer;
  readonly engine: FakeEngine;
  readonly sessions: Sessions;
  readonly webrtc: WebRtcSessions;
  readonly webSockets: WebSocketTransport;
  readonly tenancy: Tenancy;
  readonly store: Store;
  readonly recorder: SessionRecorder;
  readonly webhooks: Webhooks;
  readonly enrolment: Enrolment;
  readonly blobs: BlobStore;
  readonly analyst: FakeAnalyst;
  /** What was logged, as `level message`. */
  readonly logged: string[];
  close(): Promise<void>;
}

export interface TestServerOptions {
  readonly maxSessions?: number;
  readonly maxInlineBytes?: number;
  readonly keyless?: 'nobody' | 'local' | 'everybody';
  readonly requestsPerMinute?: number;
  readonly failedLoginsPerMinute?: number;
  readonly maxUploadBytes?: number;
  readonly maxQueuedJobs?: number;
  /** Default true. */
  readonly keepTranscripts?: boolean;
  /** Backend `B`, beside the fake one that is `A`. Default: none. */
  readonly relay?: Recognizer;
  /** Default: bytes are samples. */
  readonly decode?: AudioDecoder;
  readonly services?: Partial<HttpServices>;
  /** Where it keeps its records, and takes up what a killed one left. Default: in memory. */
  readonly dataDir?: string;
}

/** Listening on a free port of loopback. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const pageDir = mkdtempSync(join(tmpdir(), 'earshot-page-'));
  writeFileSync(join(pageDir, 'index.html'), '<title>Earshot</title>');
  const clock = new ManualClock();
  const { decode = rawDecoder } = options;
  const recognizer = new FakeRecognizer({ maxSessions: options.maxSessions ?? 4 });
  const engine = new FakeEngine();
  let ids = 0;
  // One life of several has ids of its own.
  const life = options.dataDir === undefined ? '' : `${randomUUID()}_`;
  const sessions = new Sessions({ clock, createId: () => `ses_${life}${String((ids += 1))}`, ...(options.keepTranscripts !== false && { createJobId: () => `job_live${life}${String(ids)}` }), createDetector: new FakeDetectors().create });
  const { store, blobs } = await openTestStore(pageDir, options.dataDir);
  const webhookSecrets = new WebhookSecrets(store.tenants, tenantSecretsSealer(new DataKey(new Uint8Array(32))));
  const tenancy = createTenancy({
    store,
    dataKey: new DataKey(new Uint8Array(32)),
    operatorSecret: KEY,
    keyless: options.keyless ?? 'local',
    requestsPerMinute: options.requestsPerMinute ?? 1_000_000,
    failedLoginsPerMinute: options.failedLoginsPerMinute ?? 1_000_000,
    clock,
  });
  const dispatcher = new Dispatcher({ backends: [backendOf(recognizer), ...(options.relay ? [backendOf(options.relay, { id: 'relay', letter: 'B', model: 'relay-model' })] : [])], sessions, clock, policies: store.tenants });
  tenancy.policies.onChange((tenantId, policy) => {
    dispatcher.policyChanged(tenantId, policy);
  });
  const speakerEngine = createSpeakerEngine();
  const enrolment = new Enrolment({
    store: store.speakers,
    blobs: new MemoryBlobs(),
    sealer: new DataKey(new Uint8Array(32)).sealer('biometric'),
    engine: speakerEngine,
    decode: rawDecoder,
    createDetector: new FakeDetectors().create,
    clock,
    nowMs: () => Date.now(),
    noteExpiry: ({ tenantId, id }) => store.audit.append({ tenantId, keyId: 'expiry', atMs: Date.now(), action: 'speaker.expire', subject: id, details: {} }),
    onFault: () => undefined,
  });
  const webrtc = new WebRtcSessions({ engine, clock });
  const webSockets = new WebSocketTransport();
  const logged: string[] = [];
  const log = (level: string) => (_fields: object, message: string) => void logged.push(`${level} ${message}`);
  const logs = { info: log('info'), warn: log('warn'), error: log('error') };
  const metering = new Metering({ store, clock, log: logs });
  const outbound = new Outbound({ allowedNetworks: ['127.0.0.1'] });
  const analyst = new FakeAnalyst();
  const webhooks = new Webhooks({ store, sealer: new DataKey(new Uint8Array(32)).sealer('webhook secrets'), outbound, wire: { body: audioPodEvent, headers: audioPodHeaders }, clock: systemClock, now: Date.now, log: logs });
  const recorder = new SessionRecorder({
    jobs: store.jobs,
    live: store.live,
    recovered: recoveredJob,
    written: () => {
      webhooks.wake();
    },
    now: Date.now,
    log: logs,
  });
  const openSession = guardedDoor([tenancy.sessionLimits, metering.guard, recorder.guard], (caller, wish) => dispatcher.open(caller, wish));
  const system = createJobSystem({
    store,
    blobs,
    openSession,
    decode,
    outbound,
    analyst,
    secrets: webhookSecrets,
    webhooks,
    describe: describeJob,
    workers: 1,
    maxQueuedJobs: options.maxQueuedJobs ?? 10,
    maxUploadBytes: options.maxUploadBytes ?? 8 * 1024 * 1024,
    keepAudio: false,
    retentionDays: 0,
    clock: systemClock,
    now: Date.now,
    log: logs,
  });
  const stages = new StageHistograms();
  const lanes = new LaneStats();
  const gladia = new LiveSessions({ openSession, decode, analyst, callbacks: { outbound, secretOf: (tenantId) => webhookSecrets.get(tenantId), clock: systemClock, now: Date.now, timeoutMs: 1000 }, jobs: store.jobs, live: store.live, blobs, keepTranscripts: options.keepTranscripts !== false, keepAudio: true, observe: stages.observe, log: logs });
  const app = await createHttpServer({
    tenancy,
    sessions,
    openSession,
    jobs: system.jobs,
    transcripts: store.transcripts,
    blobs,
    uploads: new Uploads(blobs, new DataKey(new Uint8Array(32)).sealer('uploads')),
    webhookSecrets,
    webhooks,
    recorder,
    now: Date.now,
    webrtc,
    whip: new WhipRooms(engine),
    calls: new RealtimeCalls(webrtc),
    resumable: new ResumableSessions({ decode: rawDecoder, clock: systemClock, onFault: () => undefined }),
    dispatcher,
    decode,
    analyst,
    enrolment,
    webSockets,
    log: logs,
    stages,
    lanes,
    gladia,
    usage: store.usage,
    audit: store.audit,
    maxInlineBytes: options.maxInlineBytes ?? 1024 * 1024,
    maxOpenAiFileBytes: 2 * 1024 * 1024,
    maxUploadBytes: options.maxUploadBytes ?? 8 * 1024 * 1024,
    pageDir,
    ...options.services,
  });
  demandTruthfulAnswers(app);
  if (options.dataDir !== undefined) {
    await recorder.recover();
    await metering.recover();
  }
  system.start();
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    app,
    url: `http://127.0.0.1:${String(port)}`,
    clock,
    recognizer,
    engine,
    sessions,
    webrtc,
    webSockets,
    tenancy,
    store,
    recorder,
    webhooks,
    enrolment,
    blobs,
    analyst,
    logged,
    close: async () => {
      gladia.close();
      webrtc.close();
      webSockets.close();
      await system.close();
      await app.close();
      await enrolment.close();
      await speakerEngine.close();
      await store.close();
      rmSync(pageDir, { recursive: true });
    },
  };
}

/** What an answer says went wrong, in the envelope of every error. */
export interface ErrorAnswer {
  readonly status: string;
  readonly error: { readonly code: string; readonly message: string; readonly retry_after: number | null; readonly details?: readonly { readonly field: string }[] };
  readonly meta: { readonly request_id: string };
}
