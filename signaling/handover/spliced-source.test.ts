import assert from 'node:assert/strict';
import test from 'node:test';
import { msToSamples, type LaneAudio } from '../../src/core/audio.ts';
import { FedSource, joined, quiet, settle } from '../../src/core/testing/audio.ts';
import { eventually } from '../../src/core/testing/eventually.ts';
import { MARGIN_SAMPLES, SplicedSource } from './spliced-source.ts';
import { coded, murmur } from './testing/murmur.ts';

const SPOKEN = murmur(20_000);
const between = (fromMs: number, toMs: number): Int16Array => SPOKEN.subarray(msToSamples(fromMs), msToSamples(toMs));

/** A lane that hears everything, and checks that nothing is missing between two pieces. */
function listen(source: SplicedSource) {
  const items: LaneAudio[] = [];
  let position = 0;
  const done = (async () => {
    for await (const item of source) {
      assert.equal(item.startSample, position);
      position += item.kind === 'pcm' ? item.samples.length : item.lengthSamples;
      items.push(item);
    }
  })();
  const sound = (): Int16Array => Int16Array.from(items.flatMap((item) => (item.kind === 'pcm' ? [...item.samples] : Array.from({ length: item.lengthSamples }, () => 0))));
  return { items, done, sound };
}

test('a replay goes on with the very next sample', async () => {
  const first = new FedSource().pcm(between(0, 7000));
  const spliced = new SplicedSource(first);
  const lane = listen(spliced);
  assert.equal(await spliced.cut(), msToSamples(7000));
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(3300, 11_000)).end(), overlapSamples: MARGIN_SAMPLES });
  await lane.done;
  assert.deepEqual(lane.sound(), between(0, 11_000));
});

test('what a codec did to the first half does not matter', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(coded(between(0, 7000))));
  const lane = listen(spliced);
  await spliced.cut();
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(2000, 11_000)).end(), overlapSamples: MARGIN_SAMPLES });
  await lane.done;
  assert.deepEqual(lane.sound().subarray(msToSamples(7000)), between(7000, 11_000));
});

test('the silence of a path that dies is not heard', async () => {
  const first = new FedSource().pcm(between(0, 5000)).gap(400, 'mute').gap(100, 'mute').gap(100, 'mute');
  const spliced = new SplicedSource(first);
  const lane = listen(spliced);
  await settle();
  assert.equal(await spliced.cut(), msToSamples(5000));
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(1000, 9000)).end(), overlapSamples: MARGIN_SAMPLES });
  await lane.done;
  assert.deepEqual(lane.sound(), between(0, 9000));
});

test('nor is what comes in pieces before it dies', async () => {
  const first = new FedSource().pcm(between(0, 5000)).gap(300, 'loss').pcm(between(5300, 6000)).gap(400, 'loss').pcm(between(6400, 6500));
  const spliced = new SplicedSource(first);
  const lane = listen(spliced);
  assert.equal(await spliced.cut(), msToSamples(5000));
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(1000, 9000)).end(), overlapSamples: MARGIN_SAMPLES });
  await lane.done;
  assert.deepEqual(lane.sound(), between(0, 9000));
});

test('a path that comes back is heard with its hole, short holes and announced silence at once', async () => {
  const first = new FedSource().pcm(between(0, 1000)).gap(100, 'loss').gap(800, 'dtx');
  const lane = listen(new SplicedSource(first));
  await settle();
  assert.deepEqual(lane.items.slice(-2).map((item) => item.kind === 'gap' && item.cause), ['loss', 'dtx']);
  first.gap(400, 'loss').pcm(between(0, 2900));
  await settle();
  assert.equal(lane.items.at(-1)?.kind === 'gap' && lane.items.at(-1)?.startSample, msToSamples(1100), 'held back');
  first.pcm(between(2900, 3100));
  await settle();
  assert.equal(lane.sound().length, msToSamples(5400));
  first.end();
});

test('a hole is told once, and what follows waits a while for the client to send it again', async () => {
  let told = 0;
  const first = new FedSource().pcm(between(0, 1000)).gap(2000, 'mute').pcm(between(1000, 5000));
  const spliced = new SplicedSource(first, 'track', () => (told += 1));
  const lane = listen(spliced);
  await settle();
  assert.equal(told, 0, 'silence of which no packet is missing');
  first.gap(400, 'mute').gap(150, 'loss').pcm(between(5550, 8000)).gap(600, 'loss').pcm(between(8600, 9000));
  await settle();
  assert.equal(told, 1);
  assert.equal(await spliced.cut(), msToSamples(7000));
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(1000, 9000)).end(), overlapSamples: MARGIN_SAMPLES });
  await lane.done;
  assert.deepEqual(lane.sound().subarray(msToSamples(3000)), between(1000, 9000));

  const patient = new FedSource().pcm(between(0, 1000)).gap(600, 'loss').pcm(between(1600, 4500));
  told = 0;
  const alone = listen(new SplicedSource(patient, 'track', () => (told += 1)));
  await settle();
  assert.equal(alone.sound().length, msToSamples(1000), 'held back');
  patient.pcm(between(4500, 4700));
  await settle();
  assert.equal(alone.sound().length, msToSamples(4700), 'nobody sent it again');
  patient.gap(600, 'loss').pcm(between(5300, 6900));
  await settle();
  assert.deepEqual([alone.sound().length, told], [msToSamples(6900), 1], 'who did nothing is not told again, nor waited for as long');
  patient.end();
});

test('silence that lasts is silence', async () => {
  const first = new FedSource().pcm(between(0, 1000));
  const lane = listen(new SplicedSource(first));
  for (let ms = 0; ms < 16_000; ms += 100) first.gap(100, 'mute');
  await settle();
  assert.equal(lane.sound().length, msToSamples(17_000));
  first.pcm(between(0, 1000)).gap(300, 'mute');
  await settle();
  assert.equal(lane.sound().length, msToSamples(18_000), 'and is doubted again after sound');
});

test('a seam where the sound is less alike is taken at once if there is nothing like it elsewhere', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(joined(between(0, 4000), between(4010, 5000))));
  const lane = listen(spliced);
  await spliced.cut();
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(990, 5600)), overlapSamples: MARGIN_SAMPLES });
  // Its end has not come: nothing more will.
  await eventually(() => lane.sound().length > msToSamples(4990));
  assert.deepEqual(lane.sound().subarray(msToSamples(4990)), between(5000, 5600));
  spliced.close();
  await lane.done;
});

test('silence that its source takes back is not heard, and a path that catches up has yet to prove itself', async () => {
  const first = new FedSource().pcm(between(0, 1000)).gap(1000, 'mute').gap(100, 'mute');
  const lane = listen(new SplicedSource(first));
  for (let ms = 1000; ms < 3000; ms += 100) {
    first.pcm(between(ms, ms + 100));
    if (ms < 2050) first.gap(-100, 'mute');
  }
  await settle();
  assert.equal(lane.sound().length, msToSamples(1000), 'held back: 0.9 s on time');
  first.pcm(between(3000, 3700));
  await settle();
  assert.deepEqual(lane.sound(), between(0, 3700));
  first.end();
});

test('what is taken back when it has passed is made up for by gaps to come', async () => {
  const first = new FedSource().pcm(between(0, 1000)).gap(400, 'mute').pcm(between(1000, 3000)).gap(-300, 'mute').gap(200, 'dtx').gap(200, 'dtx').pcm(between(3000, 4000));
  const lane = listen(new SplicedSource(first));
  await settle();
  assert.deepEqual(lane.items.flatMap((item) => (item.kind === 'gap' ? [item.lengthSamples] : [])), [msToSamples(400), msToSamples(100)]);
  assert.equal(lane.sound().length, msToSamples(4500));
  first.end();
});

test('sources are asked to take silence back once nothing is looked for in them', async () => {
  class AskedSource extends FedSource {
    asked = 0;
    retract(): void {
      this.asked += 1;
    }
  }
  const [track, next] = [new AskedSource().pcm(between(0, 6000)), new AskedSource().pcm(between(2000, 5900))];
  const spliced = new SplicedSource(track);
  const lane = listen(spliced);
  await spliced.cut();
  spliced.continueWith({ kind: 'track', source: next, overlapSamples: MARGIN_SAMPLES });
  await settle();
  assert.deepEqual([track.asked, next.asked], [1, 0]);
  next.pcm(between(5900, 8000));
  await settle();
  spliced.close();
  await lane.done;
  assert.equal(next.asked, 1);
  assert.deepEqual(lane.sound(), between(0, 8000));
});

test('a session that ends hears what was held back', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(between(0, 1000)).gap(400, 'mute').pcm(between(1000, 1500)));
  const lane = listen(spliced);
  await settle();
  spliced.close();
  await lane.done;
  assert.equal(lane.sound().length, msToSamples(1900));
});

test('where nothing was heard, or nothing can be told, time decides', async () => {
  const mute = new SplicedSource(new FedSource());
  const heard = listen(mute);
  assert.equal(await mute.cut(), 0);
  mute.continueWith({ kind: 'stream', source: new FedSource().pcm(between(0, 1500)).end(), overlapSamples: MARGIN_SAMPLES });
  await heard.done;
  assert.deepEqual(heard.sound(), between(0, 1500));

  const silent = new SplicedSource(new FedSource().pcm(quiet(6000)));
  const lane = listen(silent);
  await silent.cut();
  silent.continueWith({ kind: 'stream', source: new FedSource().pcm(quiet(4000)).pcm(between(0, 8000)).end(), overlapSamples: MARGIN_SAMPLES });
  await lane.done;
  assert.equal(lane.sound().length, msToSamples(6000) + msToSamples(12_000) - MARGIN_SAMPLES);
  assert.deepEqual(lane.sound().subarray(msToSamples(6000)), between(0, 8000));
});

test('where the time is wrong, nothing is lost by it: neither behind silence nor where no seam is found', async () => {
  const behindSilence = new SplicedSource(new FedSource().pcm(quiet(6000)));
  const heard = listen(behindSilence);
  await behindSilence.cut();
  // It should have been 4 s of silence, and is 3.
  behindSilence.continueWith({ kind: 'stream', source: new FedSource().pcm(joined(quiet(3000), between(0, 6000))).end(), overlapSamples: MARGIN_SAMPLES });
  await heard.done;
  assert.deepEqual(heard.sound().subarray(-msToSamples(6000)), between(0, 6000));

  const unlike = new SplicedSource(new FedSource().pcm(murmur(6000, 7)));
  const lane = listen(unlike);
  await unlike.cut();
  unlike.continueWith({ kind: 'track', source: new FedSource().pcm(between(0, 10_000)).end(), overlapSamples: MARGIN_SAMPLES });
  unlike.close();
  await lane.done;
  assert.deepEqual(lane.sound().subarray(msToSamples(6000)), between(3000, 10_000), 'a second is heard twice rather than not at all');
});

test('closed while it waits for its replay, it ends, and a replay that comes then is closed', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(between(0, 1000)));
  const lane = listen(spliced);
  await spliced.cut();
  spliced.close();
  await lane.done;
  const late = new FedSource();
  spliced.continueWith({ kind: 'stream', source: late, overlapSamples: MARGIN_SAMPLES });
  assert.equal(late.closes, 1);
});

test('a track follows the replay that followed a track, each with the very next sample', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(coded(between(0, 5000))));
  const lane = listen(spliced);
  await spliced.cut();
  const replay = new FedSource().pcm(between(1000, 12_000));
  spliced.continueWith({ kind: 'stream', source: replay, overlapSamples: MARGIN_SAMPLES });
  await settle();
  spliced.left();
  // The client's idea of how much both carried is a little off.
  const track = new FedSource().pcm(coded(between(8000, 15_000)));
  spliced.continueWith({ kind: 'track', source: track, overlapSamples: msToSamples(3800) });
  replay.end();
  await settle();
  assert.equal(await spliced.cut(), msToSamples(15_000));
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(11_000, 18_000)).end(), overlapSamples: MARGIN_SAMPLES });
  await settle();
  spliced.close();
  await lane.done;
  assert.equal(lane.sound().length, msToSamples(18_000));
  assert.deepEqual(lane.sound().subarray(msToSamples(5000), msToSamples(12_000)), between(5000, 12_000));
  assert.deepEqual(lane.sound().subarray(msToSamples(15_000)), between(15_000, 18_000));
});

test('in silence the time that both carried decides, at once', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(quiet(6000)).end());
  const lane = listen(spliced);
  await settle();
  spliced.continueWith({ kind: 'track', source: new FedSource().pcm(joined(quiet(4000), between(0, 2000))), overlapSamples: msToSamples(4000) });
  await settle();
  assert.equal(lane.sound().length, msToSamples(8000), 'without waiting for more');
  assert.deepEqual(lane.sound().subarray(msToSamples(6000)), between(0, 2000));
  spliced.close();
  await lane.done;
});

test('a track that is gone before its turn came is heard as far as it went, and the next replay goes on behind it', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(between(0, 6000)).end());
  const lane = listen(spliced);
  const track = new FedSource().pcm(coded(between(2000, 6500)));
  spliced.continueWith({ kind: 'track', source: track, overlapSamples: msToSamples(4000) });
  const heard = await spliced.cut();
  assert.deepEqual([heard, track.closes], [msToSamples(6500), 1]);
  spliced.continueWith({ kind: 'stream', source: new FedSource().pcm(between(2500, 9000)).end(), overlapSamples: MARGIN_SAMPLES });
  spliced.close();
  await lane.done;
  assert.deepEqual(lane.sound().subarray(msToSamples(6500)), between(6500, 9000));
});

test('a track that follows one that is gone, with nothing between, is new', async () => {
  const spliced = new SplicedSource(new FedSource().pcm(between(0, 3000)).end());
  const lane = listen(spliced);
  await settle();
  spliced.continueWith({ kind: 'track', source: new FedSource().pcm(between(0, 2000)), overlapSamples: 0 });
  await settle();
  assert.equal(lane.sound().length, msToSamples(5000));
  spliced.close();
  await lane.done;
});
