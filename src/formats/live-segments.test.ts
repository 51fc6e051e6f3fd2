import assert from 'node:assert/strict';
import test from 'node:test';
import { msToSamples } from '../core/audio.ts';
import type { TranscriptEvent } from '../core/transcript.ts';
import { LiveSegments } from './live-segments.ts';

function rig() {
  const segments = new LiveSegments();
  let seq = 0;
  const tell = (event: TranscriptEvent): void => {
    segments.push({ ...event, seq: (seq += 1) });
  };
  const start = (ms: number, laneIndex = 0): void => {
    tell({ type: 'speech.started', laneIndex, atSample: msToSamples(ms) });
  };
  const final = (text: string, fromMs: number, toMs: number, laneIndex = 0): void => {
    const [startSample, endSample] = [msToSamples(fromMs), msToSamples(toMs)];
    const words = [{ text, startSample, endSample }];
    tell({ type: 'utterance.final', utterance: { id: text, laneIndex, text, words, startSample, endSample, stableWords: 1 }, endedBy: 'silence' });
  };
  const close = (ms: number): void => {
    tell({ type: 'session.closed', reason: 'finished', lanes: [{ laneIndex: 0, heardSamples: msToSamples(ms), speechSamples: 0, gapSamples: 0 }] });
  };
  const playlist = (maxSegments?: number): string => segments.playlist({ folder: 'c/', query: '?q', ...(maxSegments !== undefined && { maxSegments }) });
  const heard = (ms: number): void => {
    segments.advance(msToSamples(ms));
  };
  return { segments, start, final, close, playlist, heard, tell };
}

test('a segment is there once nothing can come that belongs into it', () => {
  const { segments, start, final, heard, tell } = rig();
  heard(4900);
  assert.equal(segments.count, 0, 'an utterance may begin before it is known of');
  heard(5000);
  assert.equal(segments.count, 1);
  start(6000);
  heard(20_000);
  assert.equal(segments.count, 1, 'time waits for the open utterance');
  start(18_000);
  final('hello', 6000, 7000);
  heard(20_000);
  assert.equal(segments.count, 4);
  tell({ type: 'utterance.dismissed', laneIndex: 0, endedBy: 'silence' });
  heard(25_000);
  assert.equal(segments.count, 6);
  heard(10_000);
  assert.equal(segments.count, 6, 'what is there stays');
});

test('one lane waits for the other', () => {
  const { segments, start, final, heard } = rig();
  start(1000, 0);
  start(9000, 1);
  final('a', 1000, 2000, 0);
  heard(30_000);
  assert.equal(segments.count, 2);
});

test('a cue is in every segment in whose time it is shown, with the times of the session', () => {
  const { segments, start, final, heard } = rig();
  start(3000);
  final('<b>&', 3500, 4500);
  heard(9000);
  const cue = '\n00:00:03.500 --> 00:00:04.500\n&lt;b&gt;&amp;\n';
  assert.equal(segments.segment(0, 900_000), `WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n${cue}`);
  assert.equal(segments.segment(1, 0), `WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n${cue}`);
  assert.equal(segments.segment(2, 0), undefined);
  assert.equal(segments.segment(-1, 0), undefined);
});

test('the playlist of a session that goes on is a window, or all of it, and says when nothing follows', () => {
  const { start, final, heard, close, playlist } = rig();
  assert.equal(playlist(15), '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n');
  heard(13_500);
  assert.equal(playlist(2), '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:4.000,\nc/1.vtt?q\n#EXTINF:4.000,\nc/2.vtt?q\n');
  assert.match(playlist(), /SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXTINF:4.000,\nc\/0.vtt/);
  start(13_000);
  final('end', 13_000, 13_400);
  close(13_500);
  assert.match(playlist(), /EVENT\n(#EXTINF:4.000,\nc\/\d.vtt\?q\n){3}#EXTINF:2.000,\nc\/3.vtt\?q\n#EXT-X-ENDLIST\n$/);
  assert.match(playlist(2), /SEQUENCE:2\n#EXTINF:4.000,\nc\/2.vtt\?q\n#EXTINF:2.000,\nc\/3.vtt\?q\n#EXT-X-ENDLIST\n$/);
});
