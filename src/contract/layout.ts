/**
 * Where things lie under a task's root directory: `/backstay` in a pod, a directory of its own in a standalone home.
 * The operator mounts or links them there; the agent and the tool container know no other place.
 */
export const layout = {
  task: 'task.json',
  report: 'report.json',
  progress: 'progress.json',
  /** FIFOs and steps, shared with the tool container. */
  work: 'work',
  /** One directory a mounted secret, one file a key; read-only. */
  secrets: 'secrets',
  /** What the tool container needs as a secret file: made by a step of its own, under its own uid, mode 0600. */
  private: 'private',
} as const;

export const podRoot = '/backstay';
