import { z } from 'zod';
import { credits, CREDITS_PER_MINUTE } from '../../../signaling/dialects/audiopod-results.ts';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import { TOKEN_PERMISSIONS } from '../../tenancy/tokens.ts';
import { tightestAllowance } from '../allowance.ts';
import { audioPodRoute } from '../audiopod-route.ts';
import type { Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';

const TOKEN_SECONDS = 3600;
const DAY_MS = 24 * 3600_000;
/** Used up so far, a balance is low. */
const LOW_SHARE = 0.8;

const TOKEN = audioPodRoute('any', {
  summary: 'Make a short-lived token from a key, for a browser, as AudioPod does',
  response: { 200: z.object({ access_token: z.string(), token_type: z.literal('bearer'), expires_in: z.number().int() }) },
  errors: ['AUTHZ_PERMISSION_DENIED'],
});
const BALANCE = audioPodRoute('any', {
  summary: 'Read what is left of the budget, in credits',
  response: {
    200: z.object({
      unlimited: z.boolean(),
      period: z.string().nullable().describe('Month or day (UTC).'),
      balance_credits: z.number().int().nullable(),
      used_credits: z.number().int().nullable(),
      reserved_credits: z.number().int().nullable().describe('Put aside for sessions that go on.'),
      low_balance_warning: z.boolean(),
    }),
  },
});
const USAGE = audioPodRoute('scaiecho:transcribe', {
  summary: 'Read what was transcribed with this key, by day, newest first',
  querystring: z.object({ limit: z.coerce.number().int().min(1).max(366).default(30) }),
  response: { 200: z.object({ logs: z.array(z.object({ service_type: z.literal('transcription'), duration_minutes: z.number(), credits_used: z.number().int(), created_at: z.string() })) }) },
});

const RATE = `${String(CREDITS_PER_MINUTE)} credits/min`;
const ESTIMATE = audioPodRoute('public', {
  summary: 'Estimate what audio would cost, in credits',
  body: z.object({ service_type: z.literal('transcription').default('transcription'), duration_seconds: z.number().min(0).max(1e9) }),
  response: { 200: z.object({ service_type: z.string(), duration_minutes: z.number(), rate_per_minute: z.string(), credits: z.number().int() }) },
});
const PRICING = audioPodRoute('public', {
  summary: 'Read what transcription costs, in credits',
  response: { 200: z.object({ services: z.object({ transcription: z.object({ rate_per_minute: z.string(), credits_per_minute: z.number().int() }) }) }) },
});

/** Tokens, and the wallet: budgets in the vendor's credits. There is no money here. */
export function audioPodAccountRoutes(app: Routes, services: HttpServices): void {
  const { tenancy, usage, now } = services;

  app.post('/api/v1/auth/token', TOKEN, async (request) => {
    const { tenantId, keyId, token: shown } = request.caller;
    if (shown || !keyId.startsWith('key_')) throw new EarshotError('AUTHZ_PERMISSION_DENIED', 'A token is made from a key: send one as X-API-Key.');
    const key = await tenancy.keys.byId(tenantId, keyId);
    const permissions = TOKEN_PERMISSIONS.filter((permission) => key.permissions.includes(permission));
    const minted = await tenancy.tokens.mint(key, { permissions, ttlSeconds: TOKEN_SECONDS, maxSessions: null, maxSessionSeconds: null });
    return { access_token: minted.token, token_type: 'bearer' as const, expires_in: Math.max(0, Math.floor((minted.expiresAtMs - now()) / 1000)) };
  });

  app.get('/api/v1/api-wallet/balance', BALANCE, async (request) => {
    const allowance = await tightestAllowance(services, request.caller);
    if (!allowance) return { unlimited: true, period: null, balance_credits: null, used_credits: null, reserved_credits: null, low_balance_warning: false };
    const { period, limitSamples, spentSamples, reservedSamples, leftSamples } = allowance;
    return {
      unlimited: false,
      period,
      balance_credits: credits(leftSamples, Math.floor),
      used_credits: credits(spentSamples),
      reserved_credits: credits(reservedSamples),
      low_balance_warning: spentSamples >= limitSamples * LOW_SHARE,
    };
  });

  app.post('/api/v1/api-wallet/estimate', ESTIMATE, (request) => {
    const { service_type: service, duration_seconds: seconds } = request.body;
    return { service_type: service, duration_minutes: seconds / 60, rate_per_minute: RATE, credits: credits(seconds * SAMPLE_RATE_HZ) };
  });

  app.get('/api/v1/api-wallet/pricing', PRICING, () => ({ services: { transcription: { rate_per_minute: RATE, credits_per_minute: CREDITS_PER_MINUTE } } }));

  app.get('/api/v1/api-wallet/usage', USAGE, async (request) => {
    const { tenantId, keyId } = request.caller;
    const { limit } = request.query;
    const toMs = now() + 1;
    const days = await usage.sum(tenantId, { fromMs: toMs - limit * DAY_MS, toMs, groupBy: ['day', 'key'] });
    const own = days.filter((sum) => sum.keyId === keyId).reverse();
    return {
      logs: own.map(({ day = '', heardSamples }) => ({
        service_type: 'transcription' as const,
        duration_minutes: heardSamples / SAMPLE_RATE_HZ / 60,
        credits_used: credits(heardSamples),
        created_at: `${day}T00:00:00Z`,
      })),
    };
  });
}
