import { z } from 'zod';
import { route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const healthSchema = z.object({ status: z.literal('ok'), module: z.literal('scaiecho') });
const readySchema = healthSchema.extend({ phase: z.literal('ready') });
const waitingSchema = z.object({ status: z.literal('unavailable'), module: z.literal('scaiecho'), phase: z.literal('waiting'), reason: z.string().optional() });

const HEALTHZ = route('public', { tag: 'Server', summary: 'Does the server live?', response: { 200: healthSchema } });
const READYZ = route('public', {
  tag: 'Server',
  summary: 'Can a session be had now?',
  response: { 200: readySchema, 503: waitingSchema.describe('Not now, for this reason.') },
});
const METRICS = route('scaiecho:admin', { tag: 'Server', summary: 'Counts and times, in the text format of Prometheus', response: { 200: z.string() }, texts: ['text/plain'] });

/** Liveness and readiness, at the root for orchestrators and under the module for ScaiEcho's clients. */
export function healthRoutes(app: Routes, services: HttpServices): void {
  for (const base of ['', NATIVE_BASE]) {
    app.get(`${base}/healthz`, HEALTHZ, () => ({ status: 'ok', module: 'scaiecho' }));
    app.get(`${base}/readyz`, READYZ, (_request, reply) => {
      const { ready, reason } = services.dispatcher.snapshot();
      if (ready) return { status: 'ok', module: 'scaiecho', phase: 'ready' };
      void reply.status(503);
      return { status: 'unavailable', module: 'scaiecho', phase: 'waiting', reason };
    });
  }
  app.get('/metrics', METRICS, (_request, reply) => {
    void reply.type('text/plain; version=0.0.4; charset=utf-8');
    return metrics(services);
  });
}

/** The counts that tell whether something leaks or restarts, and where time goes, in Prometheus' text format. */
function metrics(services: HttpServices): string {
  const engine = services.dispatcher.snapshot();
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
  const restarts = 'earshot_recognizer_restarts_total';
  const counters = [`# TYPE ${restarts} counter`, `${restarts} ${String(engine.restarts)}`];
  return `${[...lines, ...counters, ...services.stages.lines()].join('\n')}\n`;
}
