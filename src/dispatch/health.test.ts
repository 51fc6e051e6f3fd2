import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import { BackendHealth, type HealthSubject } from './health.ts';

const broken = new EarshotError('BACKEND_ERROR', 'Broken.');
const local: HealthSubject = { backend: 'local', letter: 'A', model: 'm', tenantId: 'one' };
const relay: HealthSubject = { backend: 'relay', letter: 'B', model: 'm', tenantId: 'one' };
const other = (subject: HealthSubject): HealthSubject => ({ ...subject, tenantId: 'two' });

function rig() {
  const clock = new ManualClock();
  const health = new BackendHealth(clock);
  const breakIt = (subject: HealthSubject): void => {
    for (let count = 0; count < 3; count += 1) health.failed(subject, broken, count === 2);
  };
  return { clock, health, breakIt };
}

test('what fails again and again is down for everybody if it is self-hosted, and for the one tenant if it is a relay', () => {
  const { health, breakIt } = rig();
  for (const subject of [local, relay]) breakIt(subject);
  assert.deepEqual([local, other(local), relay, other(relay)].map((subject) => health.downForSeconds(subject)), [10, 10, 10, undefined]);
  assert.equal(health.downForSeconds({ ...local, model: 'n' }), undefined, 'another model may well work');
});

test('reports count segments and failures by kind, over all tenants, with the worst state', () => {
  const { health, breakIt, clock } = rig();
  health.settled(relay);
  health.settled(other(relay));
  breakIt(relay);
  health.settled(other(relay));
  const [report] = health.reports();
  assert.deepEqual([report?.state, report?.settledSegments, [...(report?.failures ?? [])]], ['open', 3, [['BACKEND_ERROR', 2], ['silent', 1]]]);
  clock.advance(10_000);
  assert.equal(health.reports()[0]?.state, 'half-open');
  health.used(relay);
  health.settled(relay);
  assert.equal(health.reports()[0]?.state, 'closed');
});

test('one session tries what was down, and another when the first leaves without having spoken', () => {
  const { health, breakIt, clock } = rig();
  breakIt(local);
  clock.advance(10_000);
  assert.equal(health.downForSeconds(local), undefined);
  const left = health.used(local);
  assert.equal(health.downForSeconds(local), 10);
  left();
  assert.equal(health.downForSeconds(local), undefined);
});

test('a self-hosted engine that is silent to some and speaks to others is busy, not down; a relay owes each its own answer', () => {
  const { clock, health } = rig();
  const silent = new EarshotError('BACKEND_TIMEOUT', 'Silent.');
  const silence = (subject: HealthSubject): void => {
    for (let count = 0; count < 10; count += 1) health.failed(subject, silent, true);
  };
  for (const subject of [local, relay]) {
    health.alive(other(subject));
    clock.advance(5999);
    silence(subject);
  }
  assert.deepEqual([local, relay].map((subject) => health.downForSeconds(subject) !== undefined), [false, true]);
  clock.advance(1);
  silence(local);
  assert.notEqual(health.downForSeconds(local), undefined, 'nobody has heard of it for six seconds');
});
