/**
 * Whether the resourceVersion `a` was written after `b`. Versions of objects of one kind are decimal numbers that grow
 * (KEP-5504, stable in Kubernetes 1.35, and true of every API server on etcd before). They may have more digits than a
 * double holds, so they are compared as text: the longer one, or else the one that sorts later. Nothing, '', is before all.
 */
export function isNewer(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
