import type { FastifyInstance } from 'fastify';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const PUBLIC = { config: { permission: 'public' } } as const;

/** Liveness and readiness, at the root for orchestrators and under the module for ScaiEcho's clients. */
export function healthRoutes(app: FastifyInstance, services: HttpServices): void {
  for (const base of ['', NATIVE_BASE]) {
    app.get(`${base}/healthz`, PUBLIC, () => ({ status: 'ok', module: 'scaiecho' }));
    app.get(`${base}/readyz`, PUBLIC, (_request, reply) => {
      const { ready, reason } = services.dispatcher.snapshot();
      if (ready) return { status: 'ok', module: 'scaiecho', phase: 'ready' };
      void reply.status(503);
      return { status: 'unavailable', module: 'scaiecho', phase: 'waiting', reason };
    });
  }
  app.get('/metrics', { config: { permission: 'scaiecho:admin' } }, (_request, reply) => {
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
