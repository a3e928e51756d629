// One project a tier, so that a command names the promise it tests: unit needs nothing but Node, integration one real
// part at a time, e2e the whole. ESM all through: client-node is ESM only and jest needs Node >= 24.9 for that.
const project = (name, testMatch, more = {}) => ({
  displayName: name,
  testMatch: testMatch.map((glob) => `<rootDir>/test/${glob}`),
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } },
    ],
  },
  transformIgnorePatterns: ['/node_modules/'],
  ...more,
});

// Tests that need a real API server belong to the cluster tier: building one takes minutes.
const needsApiServer = '(api-server|kubernetes)[^/]*\\.test\\.ts$';

export default {
  testTimeout: 180_000,
  projects: [
    project('unit', ['unit/**/*.test.ts']),
    project('integration', ['integration/**/*.test.ts'], {
      testPathIgnorePatterns: [`integration/(cluster|cli)/${needsApiServer}`],
    }),
    project('standalone', ['e2e/standalone/**/*.test.ts']),
    project('cluster', ['integration/{cluster,cli}/{api-server,kubernetes}*.test.ts', 'e2e/kubernetes/**/*.test.ts']),
  ],
};
