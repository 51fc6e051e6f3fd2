import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import fc from 'fast-check';
import { joined, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { babble, HIGH, LOW } from '../../speakers/testing/voices.ts';
import { BASE, type ErrorAnswer, KEY, startServer, type TestServer } from '../testing/server.ts';

interface Speaker {
  readonly speaker_id: string;
  readonly display_name: string;
  readonly status: string;
  readonly failure_reason: string | null;
  readonly erased_at: string | null;
  readonly consent: Readonly<Record<string, string>>;
}

const FIELDS = {
  display_name: 'Alice',
  language_primary: 'EN',
  consent_user_full_name: 'Alice Example',
  consent_stated_purpose: 'to be named in minutes',
  consent_text: 'I agree that my voice is recognized.',
} as const;
const VOICE = joined(quiet(500), babble(HIGH, 8, 1), quiet(500));
const bytesOf = (samples: Int16Array): Uint8Array<ArrayBuffer> => new Uint8Array(Int16Array.from(samples).buffer);

let server: TestServer;
before(async () => {
  server = await startServer({ maxInlineBytes: 512 * 1024 });
});
after(() => server.close());

function form(fields: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.set(name, typeof value === 'string' ? value : new Blob([value]));
  return made;
}

const whole = (voice: Int16Array = VOICE) => ({ ...FIELDS, reference: bytesOf(voice), consent: bytesOf(babble(HIGH, 1)) });
const ask = (method: string, path = '', body?: FormData | string) => fetch(`${server.url}${BASE}/speakers${path}`, { method, headers: { authorization: `Bearer ${KEY}` }, ...(body !== undefined && { body }) });
const dataOf = async <T = Speaker>(response: Response): Promise<T> => ((await response.json()) as { readonly data: T }).data;

async function settled(fields: Parameters<typeof form>[0]): Promise<Speaker> {
  const created = await dataOf(await ask('POST', '', form(fields)));
  await server.enrolment.settled();
  return dataOf(await ask('GET', `/${created.speaker_id}`));
}

test('a speaker is pending, then ready, listed, and after erasure a receipt', async () => {
  const answer = await ask('POST', '', form(whole()));
  const created = await dataOf(answer);
  assert.deepEqual([answer.status, created.status, created.display_name, answer.headers.get('location')], [201, 'pending', 'Alice', `${BASE}/speakers/${created.speaker_id}`]);
  await server.enrolment.settled();
  const ready = await dataOf(await ask('GET', `/${created.speaker_id}`));
  assert.deepEqual([ready.status, ready.failure_reason], ['ready', null]);
  assert.deepEqual(ready.consent, created.consent);
  assert.equal((await server.enrolment.knownVoices('default')).length, 1);
  const { speakers } = await dataOf<{ readonly speakers: readonly Speaker[] }>(await ask('GET'));
  assert.deepEqual(speakers.map(({ speaker_id: id }) => id), [created.speaker_id]);

  const receipt = await dataOf(await ask('DELETE', `/${created.speaker_id}`));
  assert.deepEqual([receipt.status, receipt.consent, typeof receipt.erased_at], ['erased', created.consent, 'string']);
  assert.deepEqual(await dataOf(await ask('DELETE', `/${created.speaker_id}`)), receipt, 'the first erasure counts');
  assert.deepEqual([await server.enrolment.knownVoices('default'), (await dataOf<{ readonly speakers: readonly Speaker[] }>(await ask('GET'))).speakers], [[], []]);
  const { items } = await server.store.audit.list('default', { limit: 10 });
  assert.deepEqual(items.map(({ action, subject }) => [action, subject]), ['speaker.erase', 'speaker.erase', 'speaker.enrol'].map((action) => [action, created.speaker_id]));
});

test('a speaker whose time is over is known no more, and is erased by itself, which the audit log tells', async () => {
  const made = await settled({ ...whole(), expires_at: new Date(Date.now() + 3600_000).toISOString() });
  assert.deepEqual([made.status, (await server.enrolment.knownVoices('default')).length], ['ready', 1]);
  await server.enrolment.start();
  assert.equal((await dataOf(await ask('GET', `/${made.speaker_id}`))).status, 'ready', 'not before its time');
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 3600_000 });
  try {
    assert.deepEqual(await server.enrolment.knownVoices('default'), []);
    server.clock.advance(60_000);
    await eventually(async () => (await dataOf(await ask('GET', `/${made.speaker_id}`))).status === 'erased');
  } finally {
    mock.timers.reset();
  }
  const [{ keyId, action, subject } = assert.fail()] = (await server.store.audit.list('default', { limit: 1 })).items;
  assert.deepEqual([keyId, action, subject], ['expiry', 'speaker.expire', made.speaker_id]);
});

test('a reference that will not do fails with its reason', async () => {
  const random = (amplitude: number) => (_: unknown, index: number) => Math.sin(index * index) * amplitude;
  for (const [voice, reason] of [
    [joined(quiet(500), babble(HIGH, 3, 1)), /at least 5 s/],
    [babble(HIGH, 8, 1).map((sample) => Math.max(-32_768, Math.min(32_767, sample * 20))), /clipped/],
    [joined(quiet(1000), babble(HIGH, 14, 1), quiet(1000)).map((sample, index) => sample / 2 + random(700)(sample, index)), /noisy/],
    [joined(babble(HIGH, 6, 1), quiet(500), babble(LOW, 6, 2)), /more than one voice/],
    [Int16Array.from({ length: 16 * 8000 }, (_, index) => 8000 * Math.sin(index / 10)), /nothing above 4 kHz/],
  ] as const) {
    const speaker = await settled(whole(voice));
    assert.equal(speaker.status, 'failed', String(reason));
    assert.match(speaker.failure_reason ?? '', reason);
  }
  assert.equal((await settled({ ...whole(), reference: Buffer.from('BAD!') })).status, 'failed');
});

test('every missing part is named, the parts of the consent too', async () => {
  for (const field of Object.keys(whole())) {
    const others = Object.fromEntries(Object.entries(whole()).filter(([name]) => name !== field));
    const answer = await ask('POST', '', form(others));
    const { error } = (await answer.json()) as ErrorAnswer;
    assert.deepEqual([answer.status, error.code, error.details?.map((detail) => detail.field)], [422, 'VALIDATION_ERROR', [field]]);
  }
  const nothing = (await (await ask('POST', '', form({ other: 'x' }))).json()) as ErrorAnswer;
  assert.equal(nothing.error.details?.length, 7);
  for (const [field, value] of [['language_primary', 'english'], ['expires_at', 'soon'], ['expires_at', '2020-01-01T00:00:00Z'], ['display_name', '  ']] as const) {
    const { error } = (await (await ask('POST', '', form({ ...whole(), [field]: value }))).json()) as ErrorAnswer;
    assert.deepEqual(error.details?.map((detail) => detail.field), [field]);
  }
});

test('too large, no form, nobody there', async () => {
  assert.equal((await ask('POST', '', form({ ...whole(), reference: new Uint8Array(512 * 1024 + 1) }))).status, 413);
  assert.equal((await ask('POST', '', 'text')).status, 422);
  assert.deepEqual([(await ask('GET', '/spk_none')).status, (await ask('DELETE', '/spk_none')).status, (await ask('GET', '?limit=0')).status], [404, 404, 422]);
});

test('whatever comes as fields, the answer is one of our own', async () => {
  const text = fc.oneof(fc.string({ maxLength: 300 }), fc.constantFrom('', 'en', '2099-01-01T00:00:00Z', '__proto__', '\u0000', '🙂'));
  const field = fc.constantFrom(...Object.keys(FIELDS), 'description', 'expires_at', 'consent', 'reference', 'constructor', '__proto__');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(field, text), { maxLength: 8 }), fc.boolean(), async (parts, complete) => {
      const made = new FormData();
      if (complete) for (const [name, value] of Object.entries(FIELDS)) made.append(name, value);
      for (const [name, value] of parts) made.append(name, value);
      const answer = await ask('POST', '', made);
      assert.ok([400, 413, 422].includes(answer.status), String(answer.status));
      assert.notEqual(((await answer.json()) as ErrorAnswer).error.code, 'INTERNAL');
    }),
    { numRuns: 60 },
  );
});
