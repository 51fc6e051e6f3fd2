import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { EarshotError } from '../core/errors.ts';
import { certificateFromFiles, selfSignedCertificate } from './certificate.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.parse('2026-06-01T00:00:00Z');
const NAMES = ['localhost', '127.0.0.1', '::1', '192.0.2.7'];

const root = mkdtempSync(join(tmpdir(), 'earshot-tls-'));
after(() => rmSync(root, { recursive: true }));

let folder = '';
let folders = 0;
beforeEach(() => {
  folders += 1;
  folder = join(root, String(folders), 'tls');
});
const certificate = (names: readonly string[] = NAMES, nowMs = NOW_MS): ReturnType<ReturnType<typeof selfSignedCertificate>> =>
  selfSignedCertificate({ folder, names, nowMs: () => nowMs })();

test('a certificate of its own names all names, and nobody else can read its key', async () => {
  const { cert } = await certificate();
  const x509 = new X509Certificate(cert);
  assert.ok(x509.checkHost('localhost') && x509.checkIP('127.0.0.1') && x509.checkIP('::1') && x509.checkIP('192.0.2.7'));
  assert.equal(x509.checkIP('192.0.2.8'), undefined);
  assert.equal(x509.ca, false);
  assert.equal(statSync(join(folder, 'key.pem')).mode & 0o077, 0);
});

test('it is kept, made again in its last month, and when a name is new', async () => {
  const { cert } = await certificate();
  assert.equal((await certificate(NAMES, NOW_MS + 360 * DAY_MS)).cert, cert);
  const withMore = await certificate([...NAMES, 'earshot.example']);
  assert.notEqual(withMore.cert, cert);
  const renewed = await certificate(NAMES, NOW_MS + 370 * DAY_MS);
  assert.notEqual(renewed.cert, withMore.cert);
  assert.ok(new X509Certificate(renewed.cert).validToDate.getTime() > NOW_MS + 700 * DAY_MS);
});

test('a pair that does not fit, or is none, is made again', async () => {
  const first = await certificate();
  writeFileSync(join(folder, 'key.pem'), 'half a ke');
  const second = await certificate();
  assert.notEqual(second.cert, first.cert);
  writeFileSync(join(folder, 'key.pem'), first.key);
  assert.notEqual((await certificate()).cert, second.cert);
});

test('files of somebody else are read, and refused where they do not fit', async () => {
  const { cert, key } = await certificate();
  const [certPath, keyPath] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  assert.deepEqual(await certificateFromFiles(certPath, keyPath)(), { cert, key });
  folder = join(root, 'other');
  await certificate();
  for (const wrongKey of [join(folder, 'key.pem'), join(folder, 'none.pem'), certPath]) {
    await assert.rejects(certificateFromFiles(certPath, wrongKey)(), (error) => error instanceof EarshotError && error.code === 'VALIDATION_ERROR');
  }
});
