import type { WebRtcSessions } from '../../signaling/offer-answer.ts';
import type { WhipRooms } from '../../signaling/whip-rooms.ts';
import type { RealtimeCalls } from '../../signaling/realtime-calls.ts';
import type { ResumableSessions } from '../../signaling/resumable-sessions.ts';
import type { WebSocketTransport } from '../../signaling/transports/websocket.ts';
import type { OpenSession } from '../core/admission.ts';
import type { AudioDecoder } from '../core/audio.ts';
import type { Sessions } from '../core/session/sessions.ts';
import type { AuditStore } from '../core/store/audit.ts';
import type { UsageStore } from '../core/store/usage.ts';
import type { BlobStore } from '../core/store/blobs.ts';
import type { TranscriptStore } from '../core/store/transcripts.ts';
import type { TextAnalyst } from '../core/text-analysis.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Uploads } from '../jobs/uploads.ts';
import type { SessionRecorder } from '../jobs/session-recorder.ts';
import type { WebhookSecrets } from '../jobs/webhook-secrets.ts';
import type { Webhooks } from '../jobs/webhooks.ts';
import type { LaneStats } from '../observability/lane-stats.ts';
import type { StageHistograms } from '../observability/stage-histograms.ts';
import type { Enrolment } from '../speakers/enrolment.ts';
import type { LiveSessions } from './gladia/live-sessions.ts';
import type { Tenancy } from '../tenancy/tenancy.ts';
import type { CertificateSource } from './certificate.ts';

/** What the routes work with. */
export interface HttpServices {
  readonly tenancy: Tenancy;
  readonly sessions: Sessions;
  /** The one door to a session, for every transport. */
  readonly openSession: OpenSession;
  readonly webrtc: WebRtcSessions;
  readonly whip: WhipRooms;
  readonly calls: RealtimeCalls;
  /** Sessions of native clients that may come back. */
  readonly resumable: ResumableSessions;
  readonly dispatcher: Dispatcher;
  readonly decode: AudioDecoder;
  readonly enrolment: Enrolment;
  readonly analyst: TextAnalyst;
  readonly webSockets: WebSocketTransport;
  readonly log: Log;
  readonly stages: StageHistograms;
  readonly lanes: LaneStats;
  readonly usage: UsageStore;
  readonly audit: AuditStore;
  /** Live sessions of Gladia's clients. */
  readonly gladia: LiveSessions;
  /** Largest upload answered in the same response, in bytes. */
  readonly maxInlineBytes: number;
  /** Largest upload of all, in bytes: what is over the inline limit becomes a job. */
  readonly maxUploadBytes: number;
  /** Largest upload of OpenAI's protocol, which knows no jobs, in bytes. */
  readonly maxOpenAiFileBytes: number;
  readonly jobs: Jobs;
  readonly transcripts: TranscriptStore;
  readonly blobs: BlobStore;
  /** Files that jobs will want. */
  readonly uploads: Uploads;
  readonly webhookSecrets: WebhookSecrets;
  readonly webhooks: Webhooks;
  readonly recorder: SessionRecorder;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Default: plain HTTP. */
  readonly certificate?: CertificateSource;
  /** Folder of the built page. */
  readonly pageDir: string;
}

/** The part of pino that is used here. Never given transcript text, audio or keys. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Base of the native API's paths. */
export const NATIVE_BASE = '/v1/modules/scaiecho';
