// The arrows of docs/adr/0006-three-ports.md and CONTRIBUTING.md: who may import whom. Pure files do no I/O.
const into = (...folders) => folders.map((folder) => `^src/${folder}(/|$)`);
const modules = [
  'base',
  'api',
  'contract',
  'stream',
  'store',
  'catalog',
  'engine',
  'agent',
  'cluster',
  'operator',
  'cli',
];
const allowed = {
  base: [],
  api: ['base'],
  contract: ['api', 'base'],
  stream: ['base'],
  store: ['base'],
  catalog: ['store/store', 'stream', 'base'],
  engine: ['base', 'stream'],
  agent: ['contract', 'engine', 'stream', 'store', 'catalog', 'base'],
  cluster: ['base', 'api', 'contract'],
  operator: ['api', 'contract', 'cluster/[a-z-]+\\.ts', 'base'],
  cli: ['api', 'contract', 'cluster', 'base'],
};

module.exports = {
  forbidden: [
    ...modules.map((name) => ({
      name: `${name}-arrows`,
      severity: 'error',
      comment: `${name} may import ${allowed[name].join(', ') || 'nothing of ours'}`,
      from: { path: into(name) },
      to: { path: '^src/', pathNot: [...into(name), ...allowed[name].map((path) => `^src/${path}`)] },
    })),
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'type-only cycles count: they hide which file owns a name',
      from: {},
      to: { circular: true },
    },
    {
      name: 'kubernetes-client-in-one-folder',
      severity: 'error',
      comment: 'it costs 91 MB and 0.4 s: the agent must never load it',
      from: { pathNot: '^src/cluster/kubernetes/' },
      to: { path: '@kubernetes/client-node' },
    },
    {
      name: 'drivers-behind-their-door',
      severity: 'error',
      comment: 'a driver is opened by open-store only, so that callers know the contract and no driver',
      from: { path: '^src/', pathNot: ['^src/store/'] },
      to: { path: '^src/store/(filesystem|s3)/' },
    },
    {
      name: 'aws-sdk-in-one-folder',
      severity: 'error',
      from: { pathNot: '^src/store/s3/' },
      to: { path: '@aws-sdk|@smithy' },
    },
    {
      name: 'src-knows-no-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|bench)/' },
    },
    {
      name: 'pure-files-do-no-io',
      severity: 'error',
      comment: 'they carry property tests: the same input must always give the same output',
      from: {
        path: '^src/(operator/.*/(next-run|task|outcome|guard|decide)|catalog/(lineage|garbage|layout|manifest)|cluster/kubernetes/job)\\.ts$',
      },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|path|util)$' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src/' },
      to: {},
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
