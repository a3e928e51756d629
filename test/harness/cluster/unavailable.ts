/**
 * This machine cannot do what was asked, through no fault of the code under test: not root, not Linux, no cgroups. The
 * caller names the reason and skips (exit code 3), or fails where CI=true.
 */
export class Unavailable extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'Unavailable';
  }
}
