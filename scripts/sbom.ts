// Puts the image's bill of materials together (CycloneDX): npm's list of what is in node_modules, Debian's list of what
// the base image has, and Node. Runs while the image is built: node scripts/sbom.ts NPM.json DPKG.tsv > sbom.cdx.json
import { readFileSync } from 'node:fs';

interface Component {
  type: string;
  name: string;
  version: string;
  purl: string;
  'bom-ref': string;
  externalReferences?: { type: string; url: string }[];
  [field: string]: unknown;
}

interface Bom {
  serialNumber?: string;
  metadata: { timestamp?: string; component: Component };
  components: Component[];
  [field: string]: unknown;
}

const [npmFile = '', dpkgFile = ''] = process.argv.slice(2);
const { serialNumber: _random, ...bom } = JSON.parse(readFileSync(npmFile, 'utf8')) as Bom;
const { timestamp: _now, ...metadata } = bom.metadata;

// Where a package was fetched from is a matter of the machine that built: the same sources give the same list.
const packages = bom.components.map((component) => ({
  ...component,
  externalReferences: (component.externalReferences ?? []).filter(({ type }) => type !== 'distribution'),
}));

const system = readFileSync(dpkgFile, 'utf8')
  .trim()
  .split('\n')
  .map((line): Component => {
    const [name = '', version = '', architecture = ''] = line.split('\t');
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-12`;
    return { type: 'library', name, version, purl, 'bom-ref': purl };
  });

const nodeVersion = process.versions.node;
const nodePurl = `pkg:generic/node@${nodeVersion}`;
const node = { type: 'platform', name: 'node', version: nodeVersion, purl: nodePurl, 'bom-ref': nodePurl };

const component = { ...metadata.component, type: 'container', name: 'backstay' };
const whole = { ...bom, metadata: { ...metadata, component }, components: [node, ...packages, ...system] };
process.stdout.write(`${JSON.stringify(whole, undefined, 1)}\n`);
