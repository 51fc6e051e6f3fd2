import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import { transcribed, upload } from './clients/rest.ts';
import { stream, StreamClient } from './clients/stream.ts';
import { TestServer } from './server.ts';
import { convert, rawSamples, synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { samplesOf, wavFile } from './wav.ts';
import { wordErrors } from './wer.ts';

const SENTENCE = SENTENCES.river;
/** A zip file with nothing in it, and what a zip file with something in it begins with. */
const ZIP = Buffer.concat([Buffer.from('PK\x03\x04\x14\0\0\0\x08\0', 'latin1'), Buffer.alloc(200, 7), Buffer.from('PK\x05\x06', 'latin1'), Buffer.alloc(18)]);

interface BadFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: string;
  readonly status: number;
}

function badFiles(samples: Uint8Array): readonly BadFile[] {
  const file = (name: string, bytes: Uint8Array, code: string, status: number): BadFile => ({ name, bytes, code, status });
  return [
    file('an empty file', Buffer.alloc(0), 'AUDIO_EMPTY', 422),
    file('a WAV header without a sample', wavFile(Buffer.alloc(0)), 'AUDIO_EMPTY', 422),
    file('a WAV file that ends in its header', wavFile(samples).subarray(0, 30), 'AUDIO_TRUNCATED', 422),
    file('text renamed to .wav', Buffer.from('This is a letter and not a recording.\n'.repeat(50)), 'AUDIO_UNSUPPORTED', 415),
    file('RIFF that is not WAVE', Buffer.concat([Buffer.from('RIFF\x64\0\0\0AVI LIST', 'latin1'), Buffer.alloc(100)]), 'AUDIO_UNSUPPORTED', 415),
    file('a zip file', ZIP, 'AUDIO_UNSUPPORTED', 415),
    file('30 channels', wavFile(samples, { channels: 30 }), 'AUDIO_UNSUPPORTED', 415),
    file('no channel', wavFile(samples, { channels: 0 }), 'AUDIO_MALFORMED', 422),
    file('a sample rate of zero', wavFile(samples, { sampleRateHz: 0 }), 'AUDIO_MALFORMED', 422),
    file('a sample rate of one hertz', wavFile(samples, { sampleRateHz: 1 }), 'AUDIO_UNSUPPORTED', 415),
    file('a sample rate of four gigahertz', wavFile(samples, { sampleRateHz: 2 ** 31 }), 'AUDIO_UNSUPPORTED', 415),
    file('13 bytes per sample', wavFile(samples, { bitsPerSample: 104 }), 'AUDIO_UNSUPPORTED', 415),
    file('FLAC that is noise after an empty header', Buffer.concat([Buffer.from('fLaC\x80\0\0\x22', 'latin1'), Buffer.alloc(34), Buffer.alloc(5000, 0x5a)]), 'AUDIO_MALFORMED', 422),
    file('an MP4 without its index', Buffer.concat([Buffer.from('\0\0\0\x18ftypM4A \0\0\0\0M4A mp42\0\0\0\x08mdat', 'latin1')]), 'AUDIO_TRUNCATED', 422),
  ];
}

describe('audio that is not what it says', () => {
  let server: TestServer;
  let speech: string;
  let wav: Buffer;
  let samples: Uint8Array;

  before(async () => {
    server = await TestServer.start();
    speech = await synthesize(SENTENCE);
    wav = await readFile(speech);
    samples = samplesOf(wav);
  });
  after(() => server.stop());
  afterEach(() => server.idle());

  for (const { name, code, status } of badFiles(Buffer.alloc(0))) {
    it(`${name} is refused by REST and by WebSocket with ${code}`, async () => {
      const { bytes } = badFiles(samples).find((each) => each.name === name)!;
      const rest = await upload(server, bytes, { fileName: 'speech.wav', type: 'audio/wav' });
      assert.equal(rest.error?.code, code, JSON.stringify(rest));
      assert.equal(rest.status, status);
      const client = await stream(server, bytes);
      assert.equal(client.error?.code, code, JSON.stringify(client.frames));
      assert.equal(await client.closeCode(), 1003);
      assert.equal(client.frames.at(-1), client.error, 'nothing follows an error');
    });
  }

  for (const [claim, dataBytes] of [['nothing', 0], ['four gigabytes', 0xffff_fffe], ['an unknown size', 0xffff_ffff]] as const) {
    it(`a WAV header that announces ${claim}: what is there is heard`, async () => {
      const file = wavFile(samples, { dataBytes });
      const { transcript, audio_duration_ms: durationMs } = await transcribed(server, file);
      assert.ok(wordErrors(SENTENCE, transcript).rate <= MAX_WORD_ERROR_RATE, transcript);
      assert.equal(durationMs, Math.round(samples.length / 32));
      assert.equal((await stream(server, file)).text, transcript);
    });
  }

  it('a WAV header that announces less than there is: the rest is not sound', async () => {
    const { audio_duration_ms: durationMs } = await transcribed(server, wavFile(samples, { dataBytes: 32_000 }));
    assert.equal(durationMs, 1000);
  });

  it('a WAV header that lies about its rate gives a transcript of that length', async () => {
    for (const sampleRateHz of [8000, 48_000]) {
      const { audio_duration_ms: durationMs } = await transcribed(server, wavFile(samples, { sampleRateHz }));
      assert.ok(Math.abs(durationMs - (samples.length / 2 / sampleRateHz) * 1000) < 2, `${durationMs} ms`);
    }
  });

  for (const format of ['wav', 'mp3', 'flac', 'ogg', 'webm'] as const) {
    it(`a ${format} file cut in the middle of its sound gives what was there`, async () => {
      const whole = await readFile(await convert(speech, format));
      const half = whole.subarray(0, Math.floor(whole.length / 2));
      const { transcript, audio_duration_ms: durationMs } = await transcribed(server, half);
      assert.match(transcript, /weather/);
      assert.doesNotMatch(transcript, /river/);
      assert.ok(durationMs < samples.length / 32);
      assert.equal((await stream(server, half, { open: { media_type: 'audio/wav' } })).text, transcript, 'whatever the container is said to be');
    });
  }

  it('half a sample at the end of raw audio is left out', async () => {
    const audio = await rawSamples(speech, 16_000);
    const client = await stream(server, audio.subarray(0, audio.length - 1), { open: { media_type: 'audio/pcm' }, chunkBytes: 1001 });
    assert.equal(client.error, undefined);
    assert.ok(wordErrors(SENTENCE, client.text).rate <= MAX_WORD_ERROR_RATE, client.text);
  });

  it('a socket that vanishes in the middle of a word gives everything back', async () => {
    for (const bytes of [44, 20_001, 50_001]) {
      const client = await StreamClient.connect(server);
      client.send({ type: 'open' });
      await client.frame('ready', ({ type }) => type === 'ready');
      await client.sendAudio(wav.subarray(0, bytes), { chunkBytes: 3200, bytesPerSecond: 64_000 });
      client.socket.terminate();
      await server.idle();
    }
  });

  it('an upload that breaks off gives everything back', async () => {
    const abort = new AbortController();
    const uploading = upload(server, wav, { signal: abort.signal });
    uploading.catch(() => undefined);
    await server.metrics();
    abort.abort();
    await assert.rejects(uploading);
  });

  it('clients that never read are let go', async () => {
    const clients = await Promise.all([StreamClient.connect(server), StreamClient.connect(server)]);
    for (const [index, client] of clients.entries()) {
      client.socket.pause();
      client.send({ type: 'open' });
      client.send(wav);
      if (index === 0) client.send({ type: 'close' });
    }
    await server.idle(120_000);
    for (const { socket } of clients) socket.terminate();
  });

  it('leaves the server as it was', async () => {
    const { transcript } = await transcribed(server, wav);
    assert.ok(wordErrors(SENTENCE, transcript).rate <= MAX_WORD_ERROR_RATE, transcript);
    assert.deepEqual(server.errorLog, []);
  });
});
