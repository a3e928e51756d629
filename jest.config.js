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

export default {
  testTimeout: 60_000,
  projects: [
    project('unit', ['unit/**/*.test.ts']),
    project('integration', ['integration/**/*.test.ts']),
    project('standalone', ['e2e/standalone/**/*.test.ts']),
    project('kubernetes', ['e2e/kubernetes/**/*.test.ts']),
  ],
};
