import type { Transcript } from '../../core/session/transcribe.ts';
import type { JobOutcome, JobRecord } from '../../core/store/jobs.ts';
import type { ApiKeyRecord } from '../../core/store/keys.ts';
import type { Page, PageRequest } from '../../core/store/page.ts';
import type { SpeakerRecord } from '../../core/store/speakers.ts';
import type { UsageRecord } from '../../core/store/usage.ts';

/** Saturday 2026-11-21, 10:00 UTC. */
export const NOW_MS = Date.UTC(2026, 10, 21, 10);

export function key(id: string, overrides: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return {
    id,
    tenantId: 't1',
    name: 'laptop',
    secretHash: `hash of ${id}`,
    permissions: ['scaiecho:transcribe', 'scaiecho:admin'],
    createdAtMs: NOW_MS,
    expiresAtMs: null,
    revokedAtMs: null,
    budget: null,
    maxSessions: null,
    ...overrides,
  };
}

export function job(id: string, overrides: Partial<JobRecord> = {}): JobRecord {
  return {
    id,
    tenantId: 't1',
    keyId: 'key_1',
    source: { kind: 'upload', blob: `blb_${id}`, bytes: 12 },
    request: { language: 'en', extra: { nested: [1, 'two', null] } },
    status: 'queued',
    progress: 0,
    attempts: 0,
    dueAtMs: NOW_MS,
    createdAtMs: NOW_MS,
    startedAtMs: null,
    endedAtMs: null,
    backend: null,
    languageDetected: null,
    audioMs: null,
    audioBytes: null,
    error: null,
    ...overrides,
  };
}

export function transcript(text: string): Transcript {
  const words = text.split(' ').map((word, index) => ({ text: word, startSample: index * 8000, endSample: index * 8000 + 7000, confidence: 0.5 }));
  const utterance = { id: 'L0-U0', laneIndex: 0, text, words, startSample: 0, endSample: words.length * 8000, stableWords: words.length };
  return { utterances: [utterance], backend: 'A', durationMs: words.length * 500 };
}

export const outcome = (text: string): JobOutcome => ({ transcript: transcript(text), backend: 'A', languageDetected: 'en', audioMs: 2500, audioBytes: 80_000 });

export function usage(id: string, overrides: Partial<UsageRecord> = {}): UsageRecord {
  return {
    id,
    tenantId: 't1',
    keyId: 'key_1',
    transport: 'websocket',
    backend: 'A',
    jobId: null,
    atMs: NOW_MS,
    durationMs: 1500,
    audioBytes: 100,
    heardSamples: 1000,
    speechSamples: 600,
    ...overrides,
  };
}

export function speaker(id: string, overrides: Partial<SpeakerRecord> = {}): SpeakerRecord {
  return {
    id,
    tenantId: 't1',
    displayName: `Name of ${id}`,
    languagePrimary: 'en',
    description: null,
    status: 'pending',
    failureReason: null,
    referenceBlob: `blb_reference_${id}`,
    consentBlob: `blb_consent_${id}`,
    consent: { id: `cns_${id}`, userFullName: 'Ann Example', statedPurpose: 'meetings', text: 'I agree.', recordingSha256: '00ff', recordedAtMs: NOW_MS },
    createdAtMs: NOW_MS,
    expiresAtMs: null,
    erasedAtMs: null,
    ...overrides,
  };
}

/** Every page of a list, one after the other. */
export async function allPages<T>(limit: number, list: (page: PageRequest) => Promise<Page<T>>): Promise<T[][]> {
  const pages: T[][] = [];
  let after: string | undefined;
  do {
    const page = await list({ limit, ...(after !== undefined && { after }) });
    pages.push([...page.items]);
    after = page.next;
  } while (after !== undefined);
  return pages;
}
