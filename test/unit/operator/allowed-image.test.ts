import { describe, expect, it } from '@jest/globals';
import { checkImageAllowed } from '../../../src/operator/allowed-image.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const isAllowed = (image: string, ...allowed: string[]): boolean => {
  try {
    checkImageAllowed(image, allowed);
    return true;
  } catch {
    return false;
  }
};

describe('an image', () => {
  it.each([
    ['postgres:18', 'postgres'],
    [`docker.io/library/postgres@${digest}`, 'postgres'],
    [`postgres:18@${digest}`, 'docker.io/library/postgres'],
    ['postgres:18', 'postgres:18'],
    ['postgres:18', 'postgres:*'],
    ['bitnami/postgresql:18', 'bitnami/*'],
    ['registry.example.com:5000/db/postgres:18', 'registry.example.com:5000/db/postgres'],
    ['registry.example.com/db/deep/postgres:18', 'registry.example.com/db/*'],
    [`registry.example.com/db/postgres@${digest}`, `registry.example.com/db/postgres@${digest}`],
    ['localhost/tools:1', 'localhost/tools'],
    ['anything:1', '*'],
    ['eu.registry.example.com/postgres', '*.example.com/postgres'],
    ['docker.io/postgres:18', 'postgres'],
    ['index.docker.io/postgres:18', 'postgres'],
    ['postgres:18', 'docker.io/postgres'],
    ['postgres:18', 'index.docker.io/library/*'],
    ['bitnami/postgresql:18', 'docker.io/*'],
    ['docker.io/postgres:18', 'docker.io/post*'],
    ['REGISTRY/postgres:18', 'REGISTRY/*'],
  ])('%s is allowed by %s', (image, allowed) => {
    expect(isAllowed(image, 'something/else', allowed)).toBe(true);
  });

  it.each([
    ['postgres:17', 'postgres:18'],
    ['evil.example.com/library/postgres:18', 'postgres'],
    ['postgres.example.com/x:18', 'postgres'],
    ['someone/postgres:18', 'postgres'],
    ['postgresql:18', 'postgres'],
    ['registry.example.com/other/postgres', 'registry.example.com/db/*'],
    ['registry-example.com/db/postgres', 'registry.example.com/db/*'],
    ['registry.example.com/db', 'registry.example.com/db/*'],
    ['localhost:5000/postgres', 'localhost/postgres'],
    ['evil/docker.io/library/postgres', 'postgres'],
    // A node takes a first part with a capital letter for the host of a registry.
    ['EVIL/postgres:18', 'docker.io/*'],
    ['Evil/postgres:18', 'docker.io/Evil/*'],
    ['localhost/postgres:18', 'docker.io/*'],
    ['poster/evil:1', 'docker.io/post*'],
    [`docker.io/library/postgres@${digest}`, 'postgres:18'],
    [`postgres:18@${digest}`, 'postgres:18'],
  ])('%s is not allowed by %s', (image, allowed) => {
    expect(isAllowed(image, allowed)).toBe(false);
  });

  it('is allowed where nothing is said of images', () => {
    expect(isAllowed('anything:1')).toBe(true);
  });

  it('that is refused is named, and so is what is allowed', () => {
    expect(() => checkImageAllowed('busybox', ['postgres', 'mysql:8'])).toThrow(
      expect.objectContaining({
        reason: 'ImageNotAllowed',
        message: 'image busybox is not allowed here; allowed are postgres, mysql:8',
      }),
    );
  });
});
