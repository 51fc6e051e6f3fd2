import { z } from 'zod';
import type { Dispatcher } from '../../dispatch/dispatcher.ts';
import type { HealthReport } from '../../dispatch/health.ts';
import { DEFAULT_TENANT } from '../../tenancy/api-keys.ts';
import { route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const healthSchema = z.object({ status: z.literal('ok'), module: z.literal('scaiecho') });
const backendsSchema = z
  .array(z.object({ id: z.string(), letter: z.enum(['A', 'B']), ready: z.boolean(), reason: z.string().optional() }))
  .describe('Each backend, and why it takes no session.');
const mediaEngineSchema = z.string().describe('What receives WebRTC: `mediasoup` or `werift`.');
const readySchema = healthSchema.extend({ phase: z.literal('ready'), media_engine: mediaEngineSchema, backends: backendsSchema });
const waitingSchema = z.object({ status: z.literal('unavailable'), module: z.literal('scaiecho'), phase: z.literal('waiting'), reason: z.string().optional(), media_engine: mediaEngineSchema, backends: backendsSchema });

const HEALTHZ = route('public', { tag: 'Server', summary: 'Does the server live?', response: { 200: healthSchema } });
const READYZ = route('public', {
  tag: 'Server',
  summary: 'Can a live session of the default tenant be had now?',
  response: { 200: readySchema, 503: waitingSchema.describe('Not now, for this reason.') },
});
const METRICS = route('scaiecho:admin', { tag: 'Server', summary: 'Counts and times, in the text format of Prometheus', response: { 200: z.string() }, texts: ['text/plain'] });

/** Liveness and readiness, at the root for orchestrators and under the module for ScaiEcho's clients. */
export function healthRoutes(app: Routes, services: HttpServices): void {
  for (const base of ['', NATIVE_BASE]) {
    app.get(`${base}/healthz`, HEALTHZ, () => ({ status: 'ok', module: 'scaiecho' }));
    app.get(`${base}/readyz`, READYZ, async (_request, reply) => {
      const readiness = await services.dispatcher.readiness(DEFAULT_TENANT);
      const backends = services.dispatcher.status();
      const common = { module: 'scaiecho', media_engine: services.webrtc.engineId, backends } as const;
      if (readiness.ready) return { status: 'ok', phase: 'ready', ...common };
      void reply.status(503);
      return { status: 'unavailable', phase: 'waiting', reason: readiness.reason, ...common };
    });
  }
  app.get('/metrics', METRICS, (_request, reply) => {
    void reply.type('text/plain; version=0.0.4; charset=utf-8');
    return metrics(services);
  });
}

/** The counts that tell whether something leaks or restarts, and where time goes, in Prometheus' text format. */
function metrics(services: HttpServices): string {
  const engine = services.dispatcher.totals();
  const gauges: Record<string, number> = {
    earshot_sessions: services.sessions.size,
    earshot_webrtc_sessions: services.webrtc.size,
    earshot_webrtc_peers: services.webrtc.peerCount,
    earshot_websockets: services.webSockets.size,
    earshot_recognizer_sessions: engine.activeSessions,
    earshot_recognizer_sessions_max: engine.maxSessions,
    earshot_process_resident_bytes: process.memoryUsage.rss(),
  };
  const lines = Object.entries(gauges).flatMap(([name, value]) => [`# TYPE ${name} gauge`, `${name} ${String(value)}`]);
  lines.push('# TYPE earshot_media_engine_info gauge', `earshot_media_engine_info{engine="${services.webrtc.engineId}"} 1`);
  const restarts = 'earshot_recognizer_restarts_total';
  const counters = [`# TYPE ${restarts} counter`, `${restarts} ${String(engine.restarts)}`];
  return `${[...lines, ...counters, ...backendLines(services.dispatcher), ...services.lanes.lines(), ...services.stages.lines()].join('\n')}\n`;
}

/** What is known of each backend's models from their use. */
function backendLines(dispatcher: Dispatcher): string[] {
  const reports = dispatcher.health();
  const label = ({ backend, letter, model }: HealthReport): string => `backend=${JSON.stringify(backend)},letter="${letter}",model=${JSON.stringify(model)}`;
  return [
    '# TYPE earshot_backend_up gauge',
    ...reports.map((report) => `earshot_backend_up{${label(report)}} ${report.state === 'open' ? '0' : '1'}`),
    '# TYPE earshot_backend_segments_total counter',
    ...reports.map((report) => `earshot_backend_segments_total{${label(report)}} ${String(report.settledSegments)}`),
    '# TYPE earshot_backend_failures_total counter',
    ...reports.flatMap((report) => [...report.failures].map(([kind, count]) => `earshot_backend_failures_total{${label(report)},kind="${kind}"} ${String(count)}`)),
    '# TYPE earshot_failovers_total counter',
    `earshot_failovers_total ${String(dispatcher.failovers)}`,
  ];
}
