import { after } from 'node:test';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { recognizerConformance, SUBJECT_LIVE_SESSIONS } from '../conformance.ts';
import { createRelay } from './index.ts';
import type { RelayKind } from './settings.ts';
import { hastyClock } from './testing/hasty-clock.ts';
import { relaySettings } from './testing/settings.ts';
import { startUpstream, type Upstream, type UpstreamBehaviour } from './testing/upstream.ts';
import { deepgramBehaviour, earshotBehaviour, gladiaBehaviour, openAiBehaviour } from './testing/well-behaved.ts';

const KINDS: readonly [RelayKind, UpstreamBehaviour][] = [
  ['deepgram', deepgramBehaviour],
  ['gladia', gladiaBehaviour],
  ['openai', openAiBehaviour],
  ['earshot', earshotBehaviour],
];

const upstreams: Upstream[] = [];
after(() => Promise.all(upstreams.map((upstream) => upstream.close())));

for (const [kind, behaviour] of KINDS) {
  recognizerConformance(`the relay to ${kind}`, async () => {
    const upstream = await startUpstream(behaviour);
    upstreams.push(upstream);
    const recognizer = createRelay(relaySettings(kind, upstream.url, { maxSessions: SUBJECT_LIVE_SESSIONS }), { clock: hastyClock, credentialOf: async () => 'key' });
    return { recognizer, speech: joined(quiet(200), loud(1500), quiet(300)), interimWithinMs: recognizer.capabilities.interims ? 20_000 : 100 };
  });
}
