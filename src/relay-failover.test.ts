import assert from 'node:assert/strict';
import test from 'node:test';
import type { WebSocket } from 'ws';
import { PERMISSIONS } from './core/principal.ts';
import { Sessions } from './core/session/sessions.ts';
import { DEFAULT_TENANT_POLICY } from './core/tenant-policy.ts';
import { FedSource, joined, loud, quiet } from './core/testing/audio.ts';
import { backendOf } from './core/testing/fake-backend.ts';
import { FakeDetectors } from './core/testing/fake-detector.ts';
import { FakeRecognizer } from './core/testing/fake-recognizer.ts';
import type { NumberedEvent } from './core/transcript.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { createRelay } from './recognizers/relays/index.ts';
import { hastyClock } from './recognizers/relays/testing/hasty-clock.ts';
import { relaySettings } from './recognizers/relays/testing/settings.ts';
import { startUpstream, type UpstreamBehaviour } from './recognizers/relays/testing/upstream.ts';
import { deepgramBehaviour } from './recognizers/relays/testing/well-behaved.ts';

/* A tenant of the relay whose upstream misbehaves in the middle of speech: the session goes on at the self-hosted engine. */

const TALK = joined(quiet(500), loud(1000), quiet(1500), loud(1500), quiet(1500));
const BRIEF = { connectMs: 4000, silenceMs: 4000, answerMs: 4000 };

/** Takes the stream, and does this with the first audio. */
const onAudio = (act: (socket: WebSocket) => void): UpstreamBehaviour => ({
  socket: (socket) => {
    socket.once('message', () => {
      act(socket);
    });
  },
});

const FAULTS: Readonly<Record<string, UpstreamBehaviour>> = {
  'falls silent': onAudio(() => undefined),
  'closes in the middle of a word': onAudio((socket) => {
    socket.close(1000);
  }),
  'answers in a shape of its own': onAudio((socket) => {
    socket.send('{"type":"Results","start":"0","channel":[]}');
  }),
  'asks to slow down': { refuse: () => ({ status: 429, headers: { 'retry-after': '30' } }) },
  'is out of order': { refuse: () => ({ status: 500 }) },
};

/** What is told of the talk, at a relay to such an upstream first. */
async function tell(behaviour: UpstreamBehaviour): Promise<{ readonly events: readonly NumberedEvent[]; readonly writtenSamples: number }> {
  const upstream = await startUpstream(behaviour);
  const own = new FakeRecognizer();
  const relay = createRelay(relaySettings('deepgram', upstream.url, BRIEF), { clock: hastyClock, credentialOf: async () => 'key' });
  const sessions = new Sessions({ clock: hastyClock, createId: () => 'ses', createDetector: new FakeDetectors().create });
  const dispatcher = new Dispatcher({
    backends: [backendOf(own, { id: 'own' }), backendOf(relay, { id: 'relay', letter: 'B' })],
    sessions,
    policies: { policy: async () => ({ ...DEFAULT_TENANT_POLICY, defaultBackend: 'B' }) },
    clock: hastyClock,
  });
  try {
    const session = await dispatcher.open({ tenantId: 'tenant', keyId: 'key', permissions: new Set(PERMISSIONS) }, { transport: 'websocket', priority: 'live' });
    assert.equal(session.backend, 'B');
    session.addLane(new FedSource().pcm(TALK).end(), 'lane');
    await session.settled();
    await session.close('finished');
    return { events: await Array.fromAsync(session.events()), writtenSamples: own.writtenSamples };
  } finally {
    await relay.close();
    await upstream.close();
  }
}

const finals = (events: readonly NumberedEvent[]): string[] => events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.text] : []));
const changes = (events: readonly NumberedEvent[]): string[] => events.flatMap((event) => (event.type === 'backend.changed' ? [`${event.from} ${event.to}`] : []));

test('while the upstream behaves nothing goes anywhere else', async () => {
  const { events, writtenSamples } = await tell(deepgramBehaviour);
  assert.deepEqual([finals(events).length, changes(events), writtenSamples], [2, [], 0]);
});

for (const [what, behaviour] of Object.entries(FAULTS)) {
  test(`an upstream that ${what} is left at its deadline: every word comes once, from the engine here`, async () => {
    const { events } = await tell(behaviour);
    assert.deepEqual([finals(events), changes(events)], [['w1 w2', 'w6 w7 w8'], ['B A']]);
    const last = events.at(-1);
    assert.equal(last?.type === 'session.closed' && last.reason, 'finished');
    const numbers = events.map(({ seq }) => seq);
    assert.deepEqual(numbers, [...new Set(numbers)].toSorted((one, other) => one - other));
  });
}
