import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { proving, type Vendor } from '../../compatibility/proving.ts';
import { EarshotError, type ErrorCode } from '../../src/core/errors.ts';
import type { TranscriptEvent } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';
import type { Command, StreamDialect } from './dialect.ts';
import { STREAM_DIALECTS } from './index.ts';
import { AUDIOPOD_VECTORS } from './vectors/audiopod.ts';
import { DEEPGRAM_VECTORS } from './vectors/deepgram.ts';
import { MESSAGES } from './vectors/messages.ts';
import { OPENAI_REALTIME_VECTORS } from './vectors/openai-realtime.ts';
import { PULSE_VECTORS } from './vectors/pulse.ts';
import { VOSK_VECTORS } from './vectors/vosk.ts';
import { address, steady, type DialectVector } from './vectors/vector.ts';

/** Recorded conversations by dialect; a registered dialect without any fails here. */
const VECTORS: Readonly<Record<string, readonly DialectVector[]>> = {
  audiopod: AUDIOPOD_VECTORS,
  deepgram: DEEPGRAM_VECTORS,
  'openai-realtime': OPENAI_REALTIME_VECTORS,
  pulse: PULSE_VECTORS,
  vosk: VOSK_VECTORS,
};

const binary = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const shown = (commands: readonly Command[]): object[] =>
  commands.map((command) => {
    if (command.type === 'audio') return { type: 'audio', binary: Buffer.from(command.bytes).toString('latin1') };
    if (command.type === 'send') return { type: 'send', messages: command.messages.map((text) => steady(JSON.parse(text))) };
    return command;
  });

for (const dialect of STREAM_DIALECTS) {
  test(`${dialect.id} has recorded vectors`, () => assert.ok((VECTORS[dialect.id] ?? []).length > 0));
  for (const vector of VECTORS[dialect.id] ?? []) {
    test(`${dialect.id}: ${vector.name}`, proving(vendorOf(dialect), (vector.proves ?? []) as [], () => {
      replay(dialect, vector);
    }));
  }

  test(`${dialect.id}: every message has a vector, both ways, and no vector has a message that is not known`, () => {
    const { client, server, clientKind, serverKind } = MESSAGES[dialect.id] ?? assert.fail('no messages');
    const heard = new Set(messagesOf(dialect).map(clientKind));
    assert.deepEqual(client.filter((kind) => !heard.has(kind)), [], 'from the client');
    const told = new Set(framesOf(dialect).map(serverKind));
    assert.deepEqual(server.filter((kind) => !told.has(kind)), [], 'from the server');
    assert.deepEqual([...told].filter((kind) => !server.includes(kind)), [], 'not known');
  });

  test(`${dialect.id}: whatever comes in whatever order, only known messages go out`, () => {
    const { server, serverKind } = MESSAGES[dialect.id] ?? assert.fail('no messages');
    const message = fc.oneof(fc.constantFrom(...messagesOf(dialect)), fc.uint8Array({ minLength: 1, maxLength: 4000 }));
    const event = fc.constantFrom(...eventsOf());
    const vectors = (VECTORS[dialect.id] ?? []).filter(({ refused }) => !refused);
    fc.assert(
      fc.property(fc.constantFrom(...vectors), fc.array(fc.oneof(message.map((client) => ({ client })), event.map((each) => ({ event: each }))), { maxLength: 30 }), (vector, steps) => {
        const conversation = dialect.converse(address(dialect, vector));
        const frames: string[] = [];
        const take = (commands: readonly Command[]): void => {
          for (const command of commands) if (command.type === 'send') frames.push(...command.messages);
        };
        take(conversation.begin?.() ?? []);
        for (const [index, step] of steps.entries()) {
          if ('event' in step) frames.push(...conversation.encode({ ...step.event, seq: index + 1 }));
          else onlyOwnErrors(() => {
            take(conversation.decode(step.client));
          });
        }
        frames.push(...conversation.fail(new EarshotError('BACKEND_ERROR', 'x')).messages);
        for (const frame of frames) assert.ok(server.includes(serverKind(JSON.parse(frame) as Record<string, unknown>)), frame);
      }),
    );
  });

  test(`${dialect.id}: an address is accepted or refused with a validation error`, () => {
    const vectors = VECTORS[dialect.id] ?? [];
    const queries = vectors.map(({ query }) => [...new URLSearchParams(query)]).flat();
    const names = [...new Set(['encoding', 'sample_rate', 'language', 'model', ...queries.map(([name]) => name)])];
    const value = fc.oneof(fc.constantFrom('true', 'false', '', '16000', 'linear16', '-1', 'NaN', 'a:b', ':', ',', 'a:1e99,:', ...queries.map(([, each]) => each)), fc.string());
    const where = fc.constantFrom({}, ...vectors.map(({ path, params }) => ({ ...(path !== undefined && { path }), ...(params && { params }) })));
    fc.assert(
      fc.property(where, fc.array(fc.tuple(fc.constantFrom(...names), value)), (at, query) => {
        onlyOwnErrors(() => dialect.converse(address(dialect, { ...at, query: new URLSearchParams(query).toString() })), ['VALIDATION_ERROR', 'AUTH_TOKEN_INVALID', 'NOT_FOUND', 'MODEL_NOT_FOUND']);
      }),
    );
  });

  test(`${dialect.id}: foreign messages fail only with the error table's codes`, () => {
    const object = fc.record({ type: fc.constantFrom(...(MESSAGES[dialect.id]?.client ?? [])), data: fc.jsonValue(), session: fc.jsonValue(), audio: fc.jsonValue() }, { requiredKeys: ['type'] });
    const message = fc.oneof(fc.string(), fc.json(), object.map((each) => JSON.stringify(each)), fc.uint8Array());
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (messages: WireMessage[]) => {
        const conversation = dialect.converse(address(dialect, VECTORS[dialect.id]?.find(({ refused }) => !refused)));
        onlyOwnErrors(() => {
          for (const each of messages) conversation.decode(each);
        });
      }),
    );
  });

  test(`${dialect.id}: every error has a last word and a close code`, () => {
    const accepted = VECTORS[dialect.id]?.find(({ refused }) => !refused);
    for (const code of ['AUDIO_MALFORMED', 'BUDGET_EXCEEDED', 'BACKEND_TIMEOUT', 'SESSION_IDLE', 'SERVER_STOPPING', 'INTERNAL'] as const) {
      const { messages, closeCode } = dialect.converse(address(dialect, accepted)).fail(new EarshotError(code, 'x'));
      for (const text of messages) JSON.parse(text);
      assert.ok((closeCode >= 1000 && closeCode <= 1013) || (closeCode >= 4000 && closeCode < 5000), `${code}: ${String(closeCode)}`);
      const refusal = dialect.refuse(new EarshotError(code, 'x', { retryAfterSeconds: 3 }), 'id');
      assert.ok(refusal.status >= 400 && refusal.status < 600);
    }
  });
}

function vendorOf({ id }: StreamDialect): Vendor {
  return id === 'openai-realtime' ? 'openai' : (id as Vendor);
}

/** What clients say in the vectors. */
function messagesOf(dialect: StreamDialect): WireMessage[] {
  const steps = (VECTORS[dialect.id] ?? []).flatMap(({ steps: each = [] }) => each);
  return steps.flatMap((step) => ('client' in step ? [typeof step.client === 'string' ? step.client : binary(step.client.binary)] : []));
}

/** What clients are told in the vectors. */
function framesOf(dialect: StreamDialect): Record<string, unknown>[] {
  const vectors = VECTORS[dialect.id] ?? [];
  const sent = (commands: readonly object[]): object[] => commands.flatMap((command) => ('messages' in command ? (command.messages as object[]) : []));
  const frames = vectors.flatMap(({ begins = [], steps = [] }) => [
    ...sent(begins),
    ...steps.flatMap((step) => ('frames' in step ? step.frames : 'commands' in step ? sent(step.commands) : [])),
  ]);
  return frames as Record<string, unknown>[];
}

/** Everything that happens in a session in any vector. */
function eventsOf(): TranscriptEvent[] {
  const steps = Object.values(VECTORS).flatMap((vectors) => vectors.flatMap((vector) => vector.steps ?? []));
  return steps.flatMap((step) => ('event' in step ? [step.event] : []));
}

function replay(dialect: StreamDialect, vector: DialectVector): void {
  const { refused } = vector;
  if (refused) {
    assert.throws(
      () => dialect.converse(address(dialect, vector)),
      (error) => error instanceof EarshotError && error.code === refused.code && JSON.stringify(error.details.map(({ field }) => field)) === JSON.stringify(refused.fields),
    );
    return;
  }
  const conversation = dialect.converse(address(dialect, vector));
  if (vector.begins) assert.deepEqual(shown(conversation.begin?.() ?? []), vector.begins);
  if (vector.opening) assert.deepEqual(conversation.opening, vector.opening);
  conversation.hears?.(() => vector.language);
  for (const [index, step] of (vector.steps ?? []).entries()) {
    if ('opened' in step) {
      conversation.opened?.(step.opened);
    } else if ('refused' in step) {
      const message = typeof step.client === 'string' ? step.client : binary(step.client.binary);
      assert.throws(() => conversation.decode(message), { code: step.refused }, `step ${String(index)}`);
    } else if ('error' in step) {
      const { messages, closeCode } = conversation.fail(new EarshotError(step.error, 'x'));
      assert.deepEqual([messages.map((text) => steady(JSON.parse(text))), closeCode], [step.frames, step.closeCode], `step ${String(index)}`);
    } else if ('client' in step) {
      const message = typeof step.client === 'string' ? step.client : binary(step.client.binary);
      assert.deepEqual(shown(conversation.decode(message)), step.commands, `step ${String(index)}`);
    } else {
      const frames = conversation.encode({ ...step.event, seq: index + 1 }, step.found).map((text) => steady(JSON.parse(text)));
      assert.deepEqual(frames, step.frames, `step ${String(index)}`);
    }
  }
}

function onlyOwnErrors(act: () => unknown, codes?: readonly ErrorCode[]): void {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof EarshotError, String(error));
    if (codes) assert.ok(codes.includes(error.code), error.code);
  }
}
