import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EarshotError } from '../../src/core/errors.ts';
import type { NumberedEvent } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import type { Command } from './dialect.ts';
import { ScaiEchoConversation } from './scaiecho.ts';
import { CLIENT_VECTORS, SERVER_VECTORS, type ClientVector } from './vectors/scaiecho.ts';

const bytesOf = (binary: string): Uint8Array => Buffer.from(binary, 'latin1');
const messageOf = (frame: ClientVector['frames'][number]): WireMessage => (typeof frame === 'string' ? frame : bytesOf(frame.binary));

/** Commands, with neighbouring audio joined: how it was cut is not part of the meaning. */
function meaning(commands: readonly Command[]): object[] {
  const out: object[] = [];
  let run = '';
  for (const command of commands) {
    if (command.type === 'audio') run += Buffer.from(command.bytes).toString('latin1');
    else {
      if (run !== '') out.push({ type: 'audio', binary: run });
      run = '';
      out.push(command);
    }
  }
  return run === '' ? out : [...out, { type: 'audio', binary: run }];
}

const decodeAll = (conversation: ScaiEchoConversation, messages: readonly WireMessage[]): Command[] =>
  messages.flatMap((message) => conversation.decode(message));

for (const vector of CLIENT_VECTORS) {
  test(`client: ${vector.name}`, () => {
    const conversation = new ScaiEchoConversation({ controlOnly: vector.controlOnly ?? false });
    const messages = vector.frames.map(messageOf);
    const accepted = vector.error === undefined ? messages : messages.slice(0, -1);
    assert.deepEqual(meaning(decodeAll(conversation, accepted)), vector.commands);
    if (vector.error === undefined) return;
    assert.throws(
      () => conversation.decode(messages.at(-1) ?? ''),
      (thrown) => {
        assert.ok(thrown instanceof EarshotError);
        assert.equal(thrown.code, vector.error);
        if (vector.fields) assert.deepEqual(thrown.details.map(({ field }) => field), vector.fields);
        return true;
      },
    );
  });
}

test('server: every event is told as recorded', () => {
  const conversation = new ScaiEchoConversation();
  for (const [index, { event, frames }] of SERVER_VECTORS.entries()) {
    const numbered: NumberedEvent = { ...event, seq: index + 1 };
    assert.deepEqual(conversation.encode(numbered).map((text) => JSON.parse(text) as object), frames, event.type);
  }
});

test('server: closed counts the bytes of audio, control lines apart', () => {
  const conversation = new ScaiEchoConversation();
  decodeAll(conversation, ['{"type":"open"}\n12345', '67{"type":"close"}\n'].map(bytesOf));
  const closed = conversation.encode({ type: 'session.closed', reason: 'finished', lanes: [], seq: 9 });
  assert.deepEqual(closed.map((text) => JSON.parse(text) as object), [{ type: 'closed', seq: 9, audio_bytes: 7, audio_duration_ms: 0 }]);
});

test('server: a control socket says nothing about bytes, which came another way', () => {
  const closed = new ScaiEchoConversation({ controlOnly: true }).encode({ type: 'session.closed', reason: 'finished', lanes: [], seq: 1 });
  assert.deepEqual(closed.map((text) => JSON.parse(text) as object), [{ type: 'closed', seq: 1, audio_duration_ms: 0 }]);
});

test('server: what ends with an error is told by the error alone', () => {
  const conversation = new ScaiEchoConversation();
  const error = { code: 'SESSION_IDLE', message: 'x' } as const;
  assert.deepEqual(conversation.encode({ type: 'session.closed', reason: 'failed', error, lanes: [], seq: 1 }), []);
  const full = conversation.fail(new EarshotError('CAPACITY_EXCEEDED', 'Full.', { retryAfterSeconds: 5 }));
  assert.deepEqual([full.messages.map((text) => JSON.parse(text) as object), full.closeCode], [[{ type: 'error', code: 'CAPACITY_EXCEEDED', message: 'Full.', retry_after: 5 }], 1013]);
  const wrong = conversation.fail(new EarshotError('VALIDATION_ERROR', 'Wrong.', { details: [{ field: 'a', message: 'b' }] }));
  assert.deepEqual(JSON.parse(wrong.messages[0] ?? ''), { type: 'error', code: 'VALIDATION_ERROR', message: 'Wrong.', details: [{ field: 'a', message: 'b' }] });
});

/** The same bytes in other frames: after each position of `cuts` a new one begins. */
function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

const OPEN_LINE = '{"type":"open","language_hint":"en","media_type":"audio/wav"}\n';
const CLOSE_LINE = '{"type":"close"}\n';

test('binary control lines may be split at every byte', () => {
  const stream = bytesOf(`${OPEN_LINE}RIFF....WAVE\x7b\x0a${CLOSE_LINE}`);
  const whole = meaning(decodeAll(new ScaiEchoConversation(), [stream]));
  assert.deepEqual(whole.map((command) => (command as Command).type), ['open', 'audio', 'finish']);
  for (let at = 0; at <= stream.length; at += 1) {
    assert.deepEqual(meaning(decodeAll(new ScaiEchoConversation(), cut(stream, [at]))), whole, `split at ${String(at)}`);
  }
  assert.deepEqual(meaning(decodeAll(new ScaiEchoConversation(), [...stream].map((byte) => Uint8Array.of(byte)))), whole, 'byte by byte');
});

test('audio that ends with the start of the closing line loses none of it', () => {
  for (let length = 0; length < CLOSE_LINE.length; length += 1) {
    const tail = CLOSE_LINE.slice(0, length);
    for (const close of ['{"type":"close"}', bytesOf(CLOSE_LINE)]) {
      const messages = [bytesOf(`${OPEN_LINE}audio${tail}`), close];
      const [, audio] = meaning(decodeAll(new ScaiEchoConversation(), messages));
      assert.deepEqual(audio, { type: 'audio', binary: `audio${tail}` });
    }
    const goesOn = [bytesOf(`${OPEN_LINE}audio${tail}`), bytesOf('more')];
    assert.deepEqual(meaning(decodeAll(new ScaiEchoConversation(), goesOn))[1], { type: 'audio', binary: `audio${tail}more` });
  }
});

test('however a stream is cut into frames, it means the same', () => {
  const fragment = fc.oneof(fc.constantFrom('{', '{"type":', '"close"}', '\n', '}\n', CLOSE_LINE), fc.string({ unit: 'binary-ascii', maxLength: 4 }));
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 8 }), (fragments, cuts) => {
      const audio = fragments.join('');
      const stream = bytesOf(`${OPEN_LINE}R${audio}${CLOSE_LINE}`);
      const inside = cuts.filter((at) => at <= stream.length - CLOSE_LINE.length);
      const frames = cut(stream, inside);
      // A close line at the end of a frame is the end, wherever the client's audio happens to hold one.
      fc.pre(!frames.slice(0, -1).some((_, index) => Buffer.concat(frames.slice(0, index + 1)).toString('latin1').endsWith(CLOSE_LINE)));
      const commands = meaning(decodeAll(new ScaiEchoConversation(), frames));
      assert.deepEqual(commands.slice(1), [{ type: 'audio', binary: `R${audio}` }, { type: 'finish' }]);
    }),
  );
});

test('whatever a client sends, it is understood or refused by one of our own errors', () => {
  const json = fc.oneof(
    fc.json(),
    fc.record(
      {
        type: fc.constantFrom('open', 'close', 'flush', 'x'),
        media_type: fc.oneof(fc.constantFrom('audio/wav', 'audio/pcm', 'toString', '__proto__'), fc.anything()),
        sample_rate: fc.oneof(fc.integer(), fc.anything()),
        channels: fc.oneof(fc.integer({ min: -1, max: 10 }), fc.anything()),
        language_hint: fc.anything(),
        chunk_seconds: fc.anything(),
        endpointing_ms: fc.anything(),
      },
      { requiredKeys: ['type'] },
    ).map((value) => JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))),
  );
  const message = fc.oneof(json, fc.string(), fc.uint8Array(), json.map((text) => bytesOf(`${text}\n`)), fc.constant(bytesOf(CLOSE_LINE)));
  fc.assert(
    fc.property(fc.boolean(), fc.array(message, { maxLength: 6 }), (controlOnly, messages) => {
      const conversation = new ScaiEchoConversation({ controlOnly });
      try {
        for (const command of decodeAll(conversation, messages)) {
          if (command.type === 'audio') assert.ok(command.bytes.length > 0);
        }
      } catch (thrown) {
        assert.ok(thrown instanceof EarshotError, String(thrown));
        assert.notEqual(thrown.code, 'INTERNAL');
      }
    }),
    { numRuns: 500 },
  );
});
