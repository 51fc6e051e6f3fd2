import tseslint from 'typescript-eslint';

const TYPED = ['{src,media,signaling,e2e,client,web-demo,compatibility,docs}/**/*.ts'];
const TESTS = ['**/*.test.ts', '**/*.e2e.ts', '**/conformance.ts', 'e2e/**/*.ts'];

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'data/', '.cache/'] },
  {
    rules: {
      eqeqeq: 'error',
      'max-lines': ['error', 400],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true, defaultFrom: true, namedFrom: true, namespaceFrom: true } }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'No barrels: name what you export.' },
        { selector: 'ThrowStatement > :matches(Literal, TemplateLiteral, ObjectExpression)', message: 'Throw an Error.' },
      ],
    },
  },
  {
    files: TYPED,
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // node:test's own runner awaits what these return.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'] }] },
      ],
      // Numbers read well in messages; objects and undefined stay forbidden.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => socket.close()` and `return stop()` say as much as the same in two lines.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      // An error that is passed on is `unknown`, or `{} | null` once it is known to be there; literals are forbidden above.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // `Promise.withResolvers<void>()` is the plain way to wait for an event.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // An index known to be in bounds: `samples[i]!`. A cast would say the same, and less.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Brackets say that a field of foreign data may be absent.
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      // `async` without `await` makes a port's method reject where it would throw.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['{src,media,signaling}/**/*.ts'],
    // What a server prints goes through its logger, or through the streams that a command writes its result to.
    rules: { 'no-console': 'error' },
  },
  {
    files: TESTS,
    rules: {
      // Fakes do nothing on purpose.
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  {
    // Tools that look for a default export in their configuration.
    files: ['*.config.{js,ts}', '**/vite.config.ts'],
    rules: { 'no-restricted-exports': 'off' },
  },
);
