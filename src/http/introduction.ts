import type { Conversation } from '../../signaling/dialects/dialect.ts';
import type { SessionWish } from '../core/admission.ts';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import { EarshotError, toEarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import { tightestAllowance } from './allowance.ts';
import type { HttpServices } from './services.ts';

/** Opens a session, and tells a conversation that wants to know how its client may find and use it. */
export async function openIntroduced(services: HttpServices, caller: Principal, conversation: Conversation, wish: SessionWish): Promise<Session> {
  if (!conversation.opened) return heardBy(conversation, await services.openSession(caller, wish));
  const { leftSamples = Infinity } = (await tightestAllowance(services, caller)) ?? {};
  if (leftSamples < SAMPLE_RATE_HZ) throw new EarshotError('BUDGET_EXCEEDED', 'The budget for this period is used up.');
  const session = await services.openSession(caller, wish);
  try {
    const [jobNumber = null] = session.jobId === undefined ? [] : await services.jobs.numbers(caller.tenantId, [session.jobId]);
    const maxSeconds = Math.floor(Math.min(session.maxDurationMs / 1000, caller.token?.maxSessionSeconds ?? Infinity, leftSamples / SAMPLE_RATE_HZ));
    conversation.opened({ jobNumber, maxSeconds, isPreview: (caller.token?.maxSessionSeconds ?? null) !== null });
    return heardBy(conversation, session);
  } catch (error) {
    await session.destroy(toEarshotError(error));
    throw error;
  }
}

function heardBy(conversation: Conversation, session: Session): Session {
  conversation.hears?.(() => session.language);
  return session;
}
