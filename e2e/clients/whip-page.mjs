/** What a page of somebody else's has to publish by WHIP with packages of npm: bundled by vite in whip-clients.e2e.ts, run by Chromium. */
import { WHIPClient as Medooze } from '@binbat/whip-whep/whip.js';
import { WHIPClient as Eyevinn } from '@eyevinn/whip-web-client';

/** A track that is silent until `speak`. Sound waits for the connection, so that no word is lost to it. */
async function recorded() {
  const context = new AudioContext({ sampleRate: 48_000 });
  const sound = await (await fetch('/recording.wav')).arrayBuffer();
  const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(sound) });
  const { stream } = source.connect(context.createMediaStreamDestination());
  return { stream, speak: () => source.start() };
}

const connected = (peer) =>
  new Promise((resolve, reject) => {
    const look = () => {
      if (peer.connectionState === 'connected') resolve();
      if (peer.connectionState === 'failed') reject(new Error('The connection failed.'));
    };
    peer.addEventListener('connectionstatechange', look);
    look();
  });

/**
 * By name of the package: publishes, and answers with what can be done then. The first one could also restart ICE, if it did not join the candidates of the answer by commas, which no browser takes
 * where there are several; whip.e2e.ts restarts as the RFC has it.
 */
const publishers = {
  '@binbat/whip-whep': async (endpoint, key, stream) => {
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    peer.addTransceiver(stream.getAudioTracks()[0], { direction: 'sendonly', streams: [stream] });
    const client = new Medooze();
    await client.publish(peer, endpoint, key);
    return { peer, stop: () => client.stop() };
  },
  '@eyevinn/whip-web-client': async (endpoint, key, stream) => {
    const client = new Eyevinn({ endpoint, opts: { authkey: key, iceServers: [], timeout: 300 } });
    await client.ingest(stream);
    await client.getResourceUrl();
    return { peer: client.peer, stop: () => client.destroy() };
  },
};

let publication;
let speak;
globalThis.publish = async (name, endpoint, key) => {
  const recording = await recorded();
  speak = recording.speak;
  publication = await publishers[name](endpoint, key, recording.stream);
  await connected(publication.peer);
};
globalThis.speak = () => speak();
globalThis.stop = () => publication.stop();
