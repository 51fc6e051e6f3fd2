/**
 * Who may import whom: docs/architecture.md as rules. One session core, adapters around it, and a composition root
 * (src/app.ts, src/main.ts, src/cli.ts) that alone knows them all.
 */

const CORE = '^src/core/';
const BUILT_IN = 'core';
const NPM = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'];
const TEST = '^compatibility/|\\.(test|e2e)\\.ts$|(^|/)testing/|(^|/)conformance\\.ts$|(^|/)vectors/|(^|/)fixtures\\.ts$';

/** A folder that may reach the named places of the project and nothing else of it. */
function area(name, from, mayReach) {
  return {
    name: `${name}-reach`,
    comment: `${name} may import ${mayReach.join(', ') || 'only itself'} (docs/architecture.md, "Who may import whom").`,
    severity: 'error',
    from: { path: from },
    // Tests may have the real store behind what they test.
    to: { path: '^(src|media|signaling|client|web-demo|e2e)/', pathNot: [from, ...mayReach, ...(TESTED_WITH_STORE.has(name) ? [STORE] : [])] },
  };
}

/** Areas whose tests, and only they, import the embedded store (`store-is-for-tests`). */
const TESTED_WITH_STORE = new Set(['http', 'jobs', 'tenancy']);
const STORE = '^src/stores/(sqlite|blobs|data-folder)\\.ts$';

/** A package with its one home. */
function home(name, packages, places) {
  return {
    name: `${name}-home`,
    comment: `${name} stays behind one door: ${places.join(', ')}.`,
    severity: 'error',
    from: { path: '^(src|media|signaling)/', pathNot: places },
    to: { path: packages.map((each) => `node_modules/${each}/`) },
  };
}

const PROCESSES = '^src/processes/';
const adapters = ['stores', 'formats', 'text', 'tenancy'];

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    {
      name: 'no-orphans',
      comment: 'A file that nothing imports and that imports nothing is dead or misplaced.',
      severity: 'error',
      from: { orphan: true, pathNot: [TEST, '\\.d\\.ts$', '(^|/)[^/]+\\.config\\.ts$', '^e2e/'] },
      to: {},
    },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: ['^vite/client$'] } },
    {
      name: 'no-test-code-in-product',
      comment: 'Tests and their helpers are for tests.',
      severity: 'error',
      from: { path: '^(src|media|signaling|client|web-demo)/', pathNot: TEST },
      to: { path: TEST },
    },
    {
      name: 'no-dev-packages-in-product',
      severity: 'error',
      from: { path: '^(src|media|signaling)/', pathNot: TEST },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'], pathNot: 'node_modules/@types/' },
    },

    {
      name: 'store-is-for-tests',
      comment: 'Product code gets its store from the composition root.',
      severity: 'error',
      from: { path: [...TESTED_WITH_STORE].map((name) => `^src/${name}/`), pathNot: TEST },
      to: { path: STORE },
    },
    area('core', CORE, []),
    area('media', '^media/', [CORE, PROCESSES]),
    area('signaling', '^signaling/', [CORE]),
    ...adapters.map((name) => area(name, `^src/${name}/`, [CORE])),
    area('language', '^src/language/', [CORE, '^src/recognizers/relays/(post|retrying|upstream-error)\\.ts$']),
    area('processes', PROCESSES, []),
    area('speakers', '^src/speakers/', [CORE, PROCESSES]),
    area('recognizers', '^src/recognizers/', [CORE, PROCESSES, '^src/config/']),
    area('outbound', '^src/outbound/', [CORE]),
    area('jobs', '^src/jobs/', [CORE, '^src/outbound/']),
    area('dispatch', '^src/dispatch/', [CORE, '^src/recognizers/adapters/failover']),
    area('config', '^src/config/', [CORE]),
    area('observability', '^src/observability/', [CORE, '^src/config/']),
    ...['http', 'mcp'].map((name) =>
      area(name, `^src/${name}/`, [CORE, '^signaling/', '^src/(jobs|formats|tenancy|speakers|dispatch|observability|outbound|mcp)/']),
    ),
    area('client', '^client/', []),
    area('web-demo', '^web-demo/', ['^client/']),
    area('e2e', '^e2e/', ['^client/']),
    {
      name: 'client-is-bare',
      comment: 'Whoever uses the client gets nothing else with it: no package, nothing of Node.',
      severity: 'error',
      from: { path: '^client/', pathNot: TEST },
      to: { dependencyTypes: [...NPM, BUILT_IN] },
    },
    {
      name: 'client-index-is-for-node-too',
      comment: 'What only browsers have is behind client/browser.ts.',
      severity: 'error',
      from: { path: '^client/', pathNot: ['^client/browser', TEST] },
      to: { path: '^client/browser' },
    },
    {
      name: 'composition-root-is-the-top',
      comment: 'Only the entry points import the composition root and each other.',
      severity: 'error',
      from: { path: '^(src|media|signaling)/', pathNot: ['^src/[^/]+\\.ts$'] },
      to: { path: '^src/[^/]+\\.ts$' },
    },

    {
      name: 'core-is-pure',
      comment: 'The core knows samples, lanes, events and time: no packages, nothing of Node that touches the world.',
      severity: 'error',
      from: { path: CORE, pathNot: TEST },
      to: { dependencyTypes: [...NPM, BUILT_IN], pathNot: ['^(node:)?(crypto|events|util)$'] },
    },
    {
      name: 'signaling-is-bare',
      comment: 'Dialects are pure codecs: no package but ws in the transports and the one schema language.',
      severity: 'error',
      from: { path: '^signaling/', pathNot: TEST },
      to: { dependencyTypes: NPM, pathNot: ['node_modules/(@types/)?ws/', 'node_modules/zod/'] },
    },
    home('ws', ['ws', '@types/ws'], ['^signaling/transports/', '^src/recognizers/relays/', TEST]),
    home('mediasoup', ['mediasoup'], ['^media/engines/', TEST]),
    home('werift', ['werift'], ['^media/engines/', TEST]),
    home('koffi', ['koffi'], ['^src/recognizers/', '^media/rtp/', '^media/srtp/', '^media/engines/datagram-drain\\.ts$']),
    home('fastify', ['fastify', '@fastify'], ['^src/http/', TEST]),
    home('selfsigned', ['selfsigned'], ['^src/http/certificate\\.ts$']),
    home('mcp', ['@modelcontextprotocol'], ['^src/mcp/', TEST]),
    home('jose', ['jose'], ['^src/tenancy/', TEST]),
    home('sherpa-onnx', ['sherpa-onnx-node'], ['^src/recognizers/', '^src/speakers/', '^media/vad/']),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/dist/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'], extensions: ['.ts', '.js', '.d.ts'] },
  },
};
