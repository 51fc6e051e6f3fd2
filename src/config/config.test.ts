import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError, describeConfig, loadConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-config-'));
after(() => rmSync(folder, { recursive: true }));

/** The environment with this settings file. */
function withFile(content: string, environment: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const path = join(folder, 'earshot.json');
  writeFileSync(path, content);
  return { ...environment, EARSHOT_CONFIG: path };
}

const refused = (environment: NodeJS.ProcessEnv, message: RegExp): void => {
  assert.throws(() => loadConfig(environment), (error) => error instanceof ConfigError && message.test(error.message));
};

test('without settings the server listens on loopback, port 8080', () => {
  const config = loadConfig({ PATH: '/bin', HOME: '/root' });
  assert.deepEqual([config.host, config.port, config.dataDir, config.maxInlineBytes], ['127.0.0.1', 8080, './data', 5 * 1024 * 1024]);
  assert.deepEqual([config.apiKey, config.udpPorts, config.iceServers, config.announcedAddresses], [undefined, undefined, [], []]);
});

test('every setting can come from the environment', () => {
  const config = loadConfig({
    PORT: '0',
    EARSHOT_DATA: '/srv/earshot',
    EARSHOT_HOST: '0.0.0.0',
    EARSHOT_API_KEY: 'sgk_0123456789abcdef',
    EARSHOT_LOG_LEVEL: 'silent',
    EARSHOT_MAX_LIVE_SESSIONS: '7',
    EARSHOT_ICE_SERVERS: '[{"urls":["stun:a","stun:b"]},{"urls":"turn:c","username":"u","credential":"p"}]',
    EARSHOT_ANNOUNCED_ADDRESSES: '192.0.2.1,2001:db8::1',
    EARSHOT_UDP_PORTS: '40000-40100',
  });
  assert.deepEqual(
    [config.port, config.dataDir, config.host, config.apiKey, config.logLevel, config.maxLiveSessions, config.udpPorts],
    [0, '/srv/earshot', '0.0.0.0', 'sgk_0123456789abcdef', 'silent', 7, '40000-40100'],
  );
  assert.deepEqual(config.iceServers, [{ urls: ['stun:a', 'stun:b'] }, { urls: 'turn:c', username: 'u', credential: 'p' }]);
  assert.deepEqual(config.announcedAddresses, ['192.0.2.1', '2001:db8::1']);
});

test('a certificate and its key are set together', () => {
  assert.equal(loadConfig({ EARSHOT_TLS: 'true' }).tls, true);
  assert.equal(loadConfig({ EARSHOT_TLS_CERT: 'c.pem', EARSHOT_TLS_KEY: 'k.pem' }).tlsKey, 'k.pem');
  refused({ EARSHOT_TLS_CERT: 'c.pem' }, /tlsCert and tlsKey/);
});

test('the environment wins over the file, and an empty variable over nothing', () => {
  const environment = withFile('{"port":9000,"maxPeers":5,"host":"::1"}', { PORT: '9001', EARSHOT_HOST: '' });
  const config = loadConfig(environment);
  assert.deepEqual([config.port, config.maxPeers, config.host], [9001, 5, '::1']);
});

test('an unknown key is an error in the file and in the environment', () => {
  refused({ EARSHOT_MAX_LIVE_SESSION: '7' }, /EARSHOT_MAX_LIVE_SESSION: unknown/);
  refused(withFile('{"prot":9000}'), /prot/);
});

test('a value out of range is named', () => {
  refused({ PORT: '65536' }, /^port: /);
  refused({ PORT: 'http' }, /^port: /);
  refused({ EARSHOT_API_KEY: 'short' }, /^apiKey: /);
  refused({ EARSHOT_LOG_LEVEL: 'loud' }, /^logLevel: /);
  refused({ EARSHOT_UDP_PORTS: '40000' }, /^udpPorts: /);
  refused({ EARSHOT_MAX_PEERS: '0' }, /^maxPeers: /);
  refused({ EARSHOT_ICE_SERVERS: '[{"url":"stun:a"}]' }, /^iceServers/);
  refused({ EARSHOT_ICE_SERVERS: 'stun:a' }, /JSON/);
});

test('every setting that is wrong is named, a line each', () => {
  refused({ PORT: '-1', EARSHOT_MAX_PEERS: 'x' }, /^(port|maxPeers): .*\n(port|maxPeers): /);
});

test('a settings file that cannot be read, or holds no object, is an error', () => {
  refused({ EARSHOT_CONFIG: join(folder, 'missing.json') }, /cannot read/);
  refused(withFile('[]'), /does not hold a JSON object/);
  refused(withFile('{'), /not valid JSON/);
});

test('the description knows every setting, its variable and what it means', () => {
  const rows = describeConfig();
  assert.deepEqual(rows.find(({ key }) => key === 'maxLiveSessions')?.variable, 'EARSHOT_MAX_LIVE_SESSIONS');
  assert.deepEqual(rows.filter(({ variable }) => ['PORT', 'EARSHOT_DATA'].includes(variable)).map(({ key, fallback }) => [key, fallback]), [['port', '8080'], ['dataDir', '"./data"']]);
  for (const { key, meaning } of rows) assert.match(meaning, /\.$/, key);
});

test('relays are JSON; their keys may come from variables of their own, and a key of no relay is an error', () => {
  const relays = (environment: NodeJS.ProcessEnv) => loadConfig(environment).relays;
  const one = '[{"id":"my-relay","kind":"openai","url":"http://127.0.0.1:9000/v1","key":"from-file"}]';
  assert.deepEqual(relays({}), []);
  assert.deepEqual(relays({ EARSHOT_RELAYS: one })[0], {
    id: 'my-relay',
    kind: 'openai',
    url: 'http://127.0.0.1:9000/v1',
    key: 'from-file',
    languages: ['en'],
    requiresKey: true,
    maxSessions: 100,
    wordTimes: true,
    connectMs: 5000,
    silenceMs: 5000,
    answerMs: 10_000,
  });
  assert.equal(relays({ EARSHOT_RELAYS: one, EARSHOT_RELAY_MY_RELAY_KEY: 'from-environment' })[0]?.key, 'from-environment');
  assert.throws(() => relays({ EARSHOT_RELAYS: one, EARSHOT_RELAY_OTHER_KEY: 'x' }), /EARSHOT_RELAY_OTHER_KEY: there is no such relay/);
  for (const wrong of ['[{"id":"A","kind":"openai","url":"http://x"}]', '[{"id":"a","kind":"azure","url":"http://x"}]', '[{"id":"a","kind":"openai","url":"file:///x"}]', `[${one.slice(1, -1)},${one.slice(1, -1)}]`, '{']) {
    assert.throws(() => relays({ EARSHOT_RELAYS: wrong }), ConfigError, wrong);
  }
});
