import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';

const ROOT = `${import.meta.dirname}/..`;

it('the notices name every package that the server runs with', () => {
  const { dependencies } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { readonly dependencies: Readonly<Record<string, string>> };
  const notices = readFileSync(`${ROOT}/THIRD-PARTY-NOTICES.md`, 'utf8');
  const rows = [...notices.matchAll(/^\| (\S+) \|/gm)].map(([, name]) => name);
  const missing = Object.keys(dependencies).filter((name) => !rows.includes(name));
  assert.deepEqual(missing, []);
});
