import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { call, type Transcription, upload } from './clients/rest.ts';
import { StreamClient } from './clients/stream.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;

interface Tenant {
  readonly key: string;
  readonly spoken: string;
  readonly audio: Buffer;
}

interface Listed {
  readonly jobs: readonly { readonly job_id: string; readonly status: string }[];
}

interface Usage {
  readonly usage: readonly { readonly calls: number; readonly heard_samples: number }[];
}

/** Two hundred of them, on a recognizer that is faked: `src/http/tenants.test.ts`. */
describe('tenants who speak at the same time on the real engine', () => {
  let server: TestServer;
  let tenants: readonly Tenant[];

  before(async () => {
    server = await TestServer.start();
    tenants = await Promise.all(Object.entries(SENTENCES).map(async ([name, spoken]) => {
      const json = { name: 'app', permissions: ['scaiecho:transcribe', 'scaiecho:admin'] };
      const { data } = await call<{ key: string }>(server, 'POST', `keys?tenant_id=${name}`, { json, headers: { authorization: `Bearer ${server.apiKey}` } });
      return { key: data?.key ?? '', spoken, audio: await readFile(await synthesize(spoken)) };
    }));
  });
  after(() => server.stop());

  /** By WebSocket; a full house is waited for. */
  async function streamed({ key, audio }: Tenant): Promise<string> {
    return eventually('the stream is taken', async () => {
      const client = await StreamClient.connect(server, `stream/transcribe?token=${key}`);
      client.send({ type: 'open' });
      await client.sendAudio(audio);
      client.send({ type: 'close' });
      const code = await client.closeCode();
      if (client.error?.code === 'CAPACITY_EXCEEDED') return undefined;
      assert.equal(code, 1000);
      return client.text;
    });
  }

  async function uploaded({ key, audio }: Tenant): Promise<string> {
    const { data, status } = await upload(server, audio, { fields: { force_async: 'true' }, headers: { authorization: `Bearer ${key}` } });
    assert.equal(status, 202);
    return data?.job_id ?? '';
  }

  it('get their own words, are counted to the sample, and see nothing of each other', async () => {
    const said = await Promise.all(tenants.map(async (tenant) => Promise.all([streamed(tenant), uploaded(tenant)])));
    for (const [index, tenant] of tenants.entries()) {
      const [text = '', id = ''] = said[index] ?? [];
      const headers = { authorization: `Bearer ${tenant.key}` };
      const job = await eventually('the job is done', async () => {
        const { data } = await call<Transcription & { readonly status: string }>(server, 'GET', `transcribe/jobs/${id}`, { headers });
        return data?.status === 'completed' ? data : undefined;
      });
      for (const heard of [text, job.transcript]) {
        const { rate } = wordErrors(tenant.spoken, heard);
        assert.ok(rate <= MAX_WORD_ERROR_RATE, `${tenant.spoken}: ${heard}`);
      }
      const others = said[(index + 1) % tenants.length]?.[1] ?? '';
      assert.equal((await call(server, 'GET', `transcribe/jobs/${others}`, { headers })).error?.code, 'NOT_FOUND');
      assert.equal((await call<Listed>(server, 'GET', 'transcribe/jobs', { headers })).data?.jobs.length, 2);
      const samples = (tenant.audio.length - HEADER_BYTES) / BYTES_PER_SAMPLE;
      const usage = (await call<Usage>(server, 'GET', 'usage?group_by=', { headers })).data?.usage ?? [];
      assert.deepEqual(usage.map(({ calls, heard_samples: heard }) => [calls, heard]), [[2, 2 * samples]]);
    }
    await server.idle();
  });
});
