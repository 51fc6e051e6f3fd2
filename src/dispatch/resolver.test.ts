import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BackendPreference } from '../core/admission.ts';
import type { AllowedBackends, BackendLetter, TenantPolicy } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { FakeRecognizer } from '../core/testing/fake-recognizer.ts';
import { resolve, type Candidate, type DispatchWish } from './resolver.ts';

interface OfferOptions extends Partial<Pick<Candidate, 'letter' | 'rank' | 'downForSeconds'>> {
  readonly languages?: readonly string[];
}

function offer(model: string, { languages = ['en'], ...options }: OfferOptions = {}): Candidate {
  return { backend: `backend of ${model}`, model, letter: 'A', rank: { live: 10, batch: 10 }, languages, recognizer: new FakeRecognizer(), ...options };
}

const policy = (changes: Partial<TenantPolicy>): TenantPolicy => ({ ...DEFAULT_TENANT_POLICY, ...changes });
const live = (wish: Partial<DispatchWish> = {}): DispatchWish => ({ priority: 'live', ...wish });

/** The models in the order in which they are tried, or the code of the refusal. */
function outcome(of: TenantPolicy, wish: DispatchWish, offered: readonly Candidate[]): readonly string[] | string {
  const resolution = resolve(of, wish, offered);
  return resolution.type === 'candidates' ? resolution.candidates.map(({ model }) => model) : resolution.error.code;
}

describe('letters', () => {
  const both = [offer('b', { letter: 'B' }), offer('a')];
  const rows: readonly [AllowedBackends, BackendLetter, BackendPreference, string][] = [
    ['A', 'A', 'any', 'a'],
    ['A', 'B', 'any', 'a'],
    ['A', 'A', 'prefer_relay', 'a'],
    ['B', 'A', 'prefer_self_hosted', 'b'],
    ['AB', 'A', 'any', 'a b'],
    ['AB', 'B', 'any', 'b a'],
    ['BA', 'A', 'any', 'a b'],
    ['AB', 'A', 'prefer_relay', 'b a'],
    ['BA', 'B', 'prefer_self_hosted', 'a b'],
  ];
  for (const [allowedBackends, defaultBackend, backendPreference, expected] of rows) {
    test(`${allowedBackends}, default ${defaultBackend}, ${backendPreference}: ${expected}`, () => {
      assert.equal([outcome(policy({ allowedBackends, defaultBackend }), live({ backendPreference }), both)].flat().join(' '), expected);
    });
  }

  test('AB goes to B where A has nothing or is down, and A alone does not', () => {
    const down = offer('a', { downForSeconds: 12.3 });
    const b = offer('b', { letter: 'B' });
    assert.deepEqual(outcome(policy({}), live(), [b]), ['b']);
    assert.deepEqual(outcome(policy({}), live(), [down, b]), ['b']);
    const refused = resolve(policy({ allowedBackends: 'A' }), live(), [down, offer('a2', { downForSeconds: 40 }), b]);
    assert.ok(refused.type === 'refused');
    assert.deepEqual([refused.error.code, refused.error.retryAfterSeconds], ['BACKEND_UNAVAILABLE', 13]);
    assert.equal(outcome(policy({ allowedBackends: 'A' }), live(), [b]), 'BACKEND_UNAVAILABLE');
  });
});

describe('models', () => {
  test('the better rank for the kind of session comes first, and rank 0 never', () => {
    const offered = [offer('small'), offer('large', { rank: { live: 0, batch: 90 } }), offer('medium', { rank: { live: 50, batch: 50 } })];
    assert.deepEqual(outcome(policy({}), live(), offered), ['medium', 'small']);
    assert.deepEqual(outcome(policy({}), live({ priority: 'batch' }), offered), ['large', 'medium', 'small']);
    assert.equal(outcome(policy({}), live({ model: 'large' }), offered), 'MODEL_NOT_FOUND');
  });

  test('equal ranks stay in the order of the registry', () => {
    assert.deepEqual(outcome(policy({}), live(), [offer('x'), offer('a'), offer('m')]), ['x', 'a', 'm']);
  });

  test('a model by name is the only candidate, whichever letter is preferred', () => {
    const offered = [offer('a'), offer('b', { letter: 'B' })];
    assert.deepEqual(outcome(policy({}), live({ model: 'b', backendPreference: 'prefer_self_hosted' }), offered), ['b']);
    assert.equal(outcome(policy({}), live({ model: 'c' }), offered), 'MODEL_NOT_FOUND');
    assert.equal(outcome(policy({ allowedBackends: 'A' }), live({ model: 'b' }), offered), 'AUTHZ_PERMISSION_DENIED');
  });

  test('who understands the language comes in; who understands no English comes last where none is named', () => {
    const offered = [offer('german', { languages: ['de'], rank: { live: 90, batch: 90 } }), offer('english'), offer('both', { languages: ['en', 'de'], letter: 'B' })];
    assert.deepEqual(outcome(policy({}), live(), offered), ['english', 'german', 'both']);
    assert.deepEqual(outcome(policy({}), live({ language: 'de' }), offered), ['german', 'both']);
    assert.deepEqual(outcome(policy({ defaultBackend: 'B' }), live({ language: 'en' }), offered), ['both', 'english']);
    const refused = resolve(policy({ allowedBackends: 'B' }), live({ language: 'fr' }), offered);
    assert.ok(refused.type === 'refused');
    assert.deepEqual([refused.error.code, refused.error.details], ['VALIDATION_ERROR', [{ field: 'language', message: 'one of de, en' }]]);
  });
});

const offers = fc.array(
  fc
    .record({
      letter: fc.constantFrom<BackendLetter>('A', 'B'),
      languages: fc.subarray(['en', 'de', 'fr']),
      rank: fc.record({ live: fc.nat(3), batch: fc.nat(3) }),
      down: fc.option(fc.double({ min: 0.1, max: 100, noNaN: true }), { nil: undefined }),
      model: fc.constantFrom('m1', 'm2', 'm3'),
    })
    .map(({ model, down, ...rest }) => offer(model, { ...rest, ...(down !== undefined && { downForSeconds: down }) })),
  { maxLength: 8 },
);
const policies = fc.record<TenantPolicy>({
  allowedBackends: fc.constantFrom<AllowedBackends>('A', 'B', 'AB', 'BA'),
  defaultBackend: fc.constantFrom<BackendLetter>('A', 'B'),
  residency: fc.constantFrom<TenantPolicy['residency']>('any', 'self_hosted'),
  maxConcurrentSessions: fc.constant(null),
  maxSessionSeconds: fc.constant(null),
  budget: fc.constant(null),
});
const wishes = fc.record(
  {
    priority: fc.constantFrom<DispatchWish['priority']>('live', 'batch'),
    backendPreference: fc.constantFrom<BackendPreference>('any', 'prefer_self_hosted', 'prefer_relay'),
    language: fc.constantFrom('en', 'de', 'it'),
    model: fc.constantFrom('m1', 'm2', 'm9'),
  },
  { requiredKeys: ['priority'] },
);

describe('whatever is wished, offered and allowed', () => {
  const runs = { numRuns: 2000 };

  test('residency self_hosted never yields B', () => {
    fc.assert(
      fc.property(policies, wishes, offers, (of, wish, offered) => {
        const resolution = resolve({ ...of, residency: 'self_hosted' }, wish, offered);
        if (resolution.type === 'candidates') assert.ok(resolution.candidates.every(({ letter }) => letter === 'A'));
      }),
      runs,
    );
  });

  test('every candidate is allowed, up, of the named model and understands the language; and nobody who fits is left out', () => {
    fc.assert(
      fc.property(policies, wishes, offers, (of, wish, offered) => {
        const resolution = resolve(of, wish, offered);
        const found = resolution.type === 'candidates' ? resolution.candidates : [];
        const fits = (each: Candidate): boolean =>
          of.allowedBackends.includes(each.letter) &&
          (of.residency === 'any' || each.letter === 'A') &&
          each.downForSeconds === undefined &&
          each.rank[wish.priority] > 0 &&
          (wish.model === undefined || each.model === wish.model) &&
          (wish.language === undefined || each.languages?.includes(wish.language) === true);
        assert.deepEqual(new Set(found), new Set(offered.filter(fits)));
        assert.equal(new Set(found).size, found.length);
        // One letter after the other, never mixed.
        const letters = found.map(({ letter }) => letter);
        assert.ok(letters.filter((letter, index) => letter !== letters[index - 1]).length <= 2);
        if (resolution.type === 'refused' && resolution.error.code === 'BACKEND_UNAVAILABLE') {
          assert.ok(resolution.error.retryAfterSeconds === undefined || resolution.error.retryAfterSeconds > 0);
        }
      }),
      runs,
    );
  });
});
