import assert from 'node:assert/strict';
import test from 'node:test';
import { Demultiplexer } from './demultiplexer.ts';

const section = (mid: string, ssrcs: readonly number[] = [], payloadTypes: readonly number[] = [111]) => ({
  mid,
  payloadTypes,
  ssrcs,
});

test('the MID extension decides, and its SSRC is remembered for packets without it', () => {
  const demultiplexer = new Demultiplexer();
  demultiplexer.setSections([section('a'), section('b')]);
  assert.equal(demultiplexer.route(1, 111), undefined, 'two sections take the payload type');
  assert.equal(demultiplexer.route(1, 111, 'b'), 'b');
  assert.equal(demultiplexer.route(1, 111), 'b');
  assert.equal(demultiplexer.route(1, 111, 'a'), 'a', 'an SSRC may move');
  assert.equal(demultiplexer.route(1, 111), 'a');
});

test('announced SSRCs are known', () => {
  const demultiplexer = new Demultiplexer();
  demultiplexer.setSections([section('a', [1]), section('b', [2])]);
  assert.equal(demultiplexer.route(2, 111), 'b');
});

test('without either, a payload type that only one section takes', () => {
  const demultiplexer = new Demultiplexer();
  demultiplexer.setSections([section('a'), section('b', [], [109])]);
  assert.equal(demultiplexer.route(7, 109), 'b');
  assert.equal(demultiplexer.route(8, 111), 'a');
  assert.equal(demultiplexer.route(8, 63), undefined, 'a payload type that was not negotiated');
  assert.equal(demultiplexer.route(9, 111, 'nobody'), undefined);
});

test('a negotiation keeps what was learned about the sections that stay', () => {
  const demultiplexer = new Demultiplexer();
  demultiplexer.setSections([section('a'), section('b')]);
  demultiplexer.route(1, 111, 'a');
  demultiplexer.route(2, 111, 'b');
  demultiplexer.setSections([section('a'), section('c')]);
  assert.equal(demultiplexer.route(1, 111), 'a');
  assert.equal(demultiplexer.route(2, 111), undefined);
});

test('memory is bounded', () => {
  const demultiplexer = new Demultiplexer();
  demultiplexer.setSections([section('a'), section('b')]);
  for (let ssrc = 0; ssrc < 257; ssrc += 1) demultiplexer.route(ssrc, 111, 'a');
  assert.equal(demultiplexer.route(0, 111), undefined);
  assert.equal(demultiplexer.route(1, 111), 'a');
});
