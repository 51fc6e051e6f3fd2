import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, cpSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '..');

const check = (root: string): { status: number | null; stderr: string } =>
  spawnSync(process.execPath, [path.join(root, 'docs/generate.ts'), '--check'], { encoding: 'utf8' });

test('the pages of errors, settings and compatibility are those of the code', () => {
  const { status, stderr } = check(ROOT);
  assert.equal(status, 0, stderr);
});

test('a page that differs from the code is named', () => {
  const copy = mkdtempSync(path.join(tmpdir(), 'earshot-docs-'));
  try {
    for (const folder of ['docs', 'src', 'compatibility']) cpSync(path.join(ROOT, folder), path.join(copy, folder), { recursive: true });
    cpSync(path.join(ROOT, 'package.json'), path.join(copy, 'package.json'));
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));
    const page = path.join(copy, 'docs/errors.md');
    writeFileSync(page, readFileSync(page, 'utf8').replace('| 503 |', '| 500 |'));
    rmSync(path.join(copy, 'docs/configuration.md'));
    const { status, stderr } = check(copy);
    assert.deepEqual([status, stderr.trim().split('\n').map((line) => line.split(' ')[0])], [1, ['docs/errors.md', 'docs/configuration.md']]);
  } finally {
    rmSync(copy, { recursive: true });
  }
});
