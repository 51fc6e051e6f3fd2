import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { call } from './clients/rest.ts';
import { joinControl, opusPackets, WebRtcClient } from './clients/webrtc.ts';
import { ImpairedNetwork } from './impaired-network.ts';
import { TestServer } from './server.ts';
import { convertForCall, synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const LOSS = 0.1;
const ARRIVAL_MS = 700;

interface TrackStats {
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly recoveredByFec: number;
  readonly recoveredByRed: number;
  readonly recoveredByRetransmission: number;
}

test('a sentence is understood though the network loses every tenth packet', async () => {
  await using server = await TestServer.start();
  await using network = await ImpairedNetwork.open({ loss: LOSS, delayMs: 20, jitterMs: 5 });
  const file = await withSilence(await synthesize(SENTENCES.train), 500, 500, 'room');
  const client = new WebRtcClient({ network, red: true });
  const { session_id: id } = await client.connect(server);
  const control = await joinControl(server, id);
  network.impair();
  await client.send(opusPackets(await readFile(await convertForCall(file, LOSS * 100))));
  await pause(ARRIVAL_MS);
  const { data } = await call<{ readonly tracks: Readonly<Record<string, TrackStats>> }>(server, 'GET', `webrtc/sessions/${id}/stats`);
  control.send({ type: 'close' });
  assert.equal(await control.closeCode(), 1000);
  await client.vanish();

  assert.ok(wordErrors(SENTENCES.train, control.text).rate <= MAX_WORD_ERROR_RATE, control.text);
  const [track] = Object.values(data?.tracks ?? {});
  assert.ok(track);
  assert.ok(network.sent.lost >= 10, `${network.sent.lost} of ${network.sent.datagrams} datagrams were lost`);
  const missing = track.packetsLost - track.recoveredByFec - track.recoveredByRed;
  assert.ok(missing <= track.packetsReceived * LOSS * 0.3, `most of what was lost was made good: ${JSON.stringify(track)}`);
  assert.ok(track.recoveredByRed > 0, 'redundant audio was used');
});
