import assert from 'node:assert/strict';
import test from 'node:test';
import { loadConfig } from '../../config/config.ts';
import type { BackendContext } from '../backend-context.ts';
import { createRelayBackends } from './backend.ts';
import { startUpstream } from './testing/upstream.ts';
import { openAiBehaviour } from './testing/well-behaved.ts';
import { loud } from '../../core/testing/audio.ts';

const log: BackendContext['log'] = { info: () => undefined, warn: () => undefined, error: () => undefined };

const backends = (relays: readonly object[], environment: NodeJS.ProcessEnv = {}, tenantSecret?: BackendContext['tenantSecret']) =>
  createRelayBackends({ config: loadConfig({ EARSHOT_RELAYS: JSON.stringify(relays), ...environment }), log, ...(tenantSecret && { tenantSecret }) });

test('a relay is offered to the tenants that have a key for it, their own or the server\'s, or where none is needed', async () => {
  const ofTenant: BackendContext['tenantSecret'] = async (tenantId, name) => (tenantId === 'rich' && name === 'relay-dg' ? 'own' : undefined);
  const [deepgram, gladia, local] = backends(
    [
      { id: 'dg', kind: 'deepgram', url: 'https://dg.example', model: 'nova-3' },
      { id: 'gl-eu', kind: 'gladia', url: 'https://gl.example' },
      { id: 'local', kind: 'openai', url: 'http://127.0.0.1:1/v1', requiresKey: false },
    ],
    { EARSHOT_RELAY_GL_EU_KEY: 'server-key' },
    ofTenant,
  );
  const models = async (tenantId: string): Promise<(string | undefined)[]> =>
    Promise.all([deepgram, gladia, local].map(async (backend) => (await backend?.offers(tenantId))?.[0]?.model));
  assert.deepEqual(await models('rich'), ['nova-3', 'gl-eu', 'local']);
  assert.deepEqual(await models('poor'), [undefined, 'gl-eu', 'local']);
  assert.deepEqual([deepgram?.letter, deepgram?.id], ['B', 'dg']);
  const [unreadable] = backends([{ id: 'dg', kind: 'deepgram', url: 'https://dg.example' }], {}, () => Promise.reject(new Error('sealed with another key')));
  assert.deepEqual(await unreadable?.offers('rich'), []);
});

test('a tenant\'s own key comes before the server\'s', async () => {
  const upstream = await startUpstream(openAiBehaviour);
  const [backend] = backends([{ id: 'dg', kind: 'openai', url: upstream.url, key: 'server' }], {}, async (tenantId) => (tenantId === 'rich' ? 'own' : undefined));
  for (const tenantId of ['rich', 'poor']) {
    const [offer] = (await backend?.offers(tenantId)) ?? [];
    const lease = offer?.recognizer.admit('batch', { tenantId });
    const stream = lease?.openStream({ interim: () => undefined, recovered: () => undefined });
    stream?.beginSegment(0);
    await stream?.write({ kind: 'pcm', startSample: 0, samples: loud(600) });
    await stream?.endSegment(9600);
    await lease?.release();
  }
  await backend?.close();
  await upstream.close();
  assert.deepEqual(upstream.seen.map(({ headers }) => headers.authorization), ['Bearer own', 'Bearer server']);
});
