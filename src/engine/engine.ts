import type { Bytes } from '../stream/bytes.ts';

/**
 * What an engine must be able to do. Nothing outside `engine/` and `api/` knows an engine by name: the agent is handed
 * one of these. Every call takes a signal; when it is aborted, connections are closed and the promise rejects with the
 * signal's reason.
 */
export interface Engine {
  connect(server: ServerAccess, signal: AbortSignal): Promise<Server>;
}

/** How to reach a server. Holds secrets: never logged, never written but by `Steps.writeSecret`. */
export interface ServerAccess {
  host: string;
  port: number;
  username: string;
  password: string;
  tls: { mode: 'Disable' | 'Require' | 'VerifyCA' | 'VerifyFull'; caPem?: string };
  applicationName: string;
}

export interface ServerFacts {
  engine: 'PostgreSQL';
  /** As the server says it: `18.6`. */
  version: string;
  /** PostgreSQL's system identifier: copies of one initdb share it. */
  systemIdentifier: string;
}

export interface Server {
  readonly facts: ServerFacts;
  /** Begins a dump of one database; nothing has been read yet. The dump must be closed. */
  dump(options: { database: string }, steps: Steps, signal: AbortSignal): Promise<Dump>;
  /** Checks that a dump can be restored into `database`, and touches nothing. Throws TargetNotEmpty, TargetUnfit, DatabaseMissing, RoleMissing, PrivilegeMissing, VersionUnsupported. */
  checkTarget(options: { database: string; details: DumpDetails }, signal: AbortSignal): Promise<void>;
  /** Restores `bytes` in one transaction: after any failure the database is as empty as before. */
  restore(
    options: { database: string },
    bytes: Bytes,
    steps: Steps,
    signal: AbortSignal,
  ): Promise<{ toolVersion: string }>;
  /** Compares the database with what the dump's snapshot held. Throws CheckFailed that names every difference (the first ten). */
  check(options: { database: string; details: DumpDetails }, signal: AbortSignal): Promise<CheckResult>;
  close(): Promise<void>;
}

export interface Dump {
  /** The tool's stream. It throws ToolFailed or ToolLost instead of ending when the tool did not succeed. */
  bytes: Bytes;
  /** The tool's name, for the manifest, and the ending that says what the stream is: `pg_dump`, `pgdump`. */
  readonly tool: string;
  readonly extension: string;
  /** Settles once `bytes` has ended well; rejects with what `bytes` threw. */
  result: Promise<DumpResult>;
  close(): Promise<void>;
}

export interface DumpResult {
  toolVersion: string;
  /** Epoch milliseconds, by the server's clock: the moment the snapshot was taken. */
  consistentAtMs: number;
  /** Where the write-ahead log stood at the snapshot. */
  position: string;
  details: DumpDetails;
}

/** How a database encodes, orders and folds text, in the server's words. */
export interface DatabaseText {
  encoding: string;
  collation: string;
  characterType: string;
  /** Who knows the rules: the operating system, ICU, or the server itself. The last two have a name of their own for them. */
  localeProvider: 'libc' | 'icu' | 'builtin';
  providerLocale: string | null;
  /** What was added to ICU's own rules. */
  icuRules: string | null;
}

/** What the snapshot held: names and counts. Business data: stored encrypted, never in a status. JSON-safe. */
export interface DumpDetails extends DatabaseText {
  database: string;
  serverVersion: string;
  tables: TableCount[];
  /** Roles that own something in the database or have a privilege on it. */
  roles: string[];
  extensions: string[];
  /** Tables with row-level security that binds even their owner: `public."Orders"`. */
  forcedRowSecurity: string[];
  /** All of them, also those that a check does not join. */
  foreignKeyCount: number;
}

export interface TableCount {
  schema: string;
  table: string;
  rows: number;
}

export interface CheckResult {
  tableCount: number;
  rowCount: number;
  /** Those that were joined: validated ones that compare by equality. */
  foreignKeyCount: number;
}

/**
 * The tool container as the engine sees it; the agent implements it over FIFOs. A step's arguments are quoted for `sh`
 * by the implementation: pass them as they are. No secret goes into `args` or `env`.
 */
export interface Steps {
  /**
   * Runs a tool whose standard output is a stream. The stream throws ToolFailed (with the tool's last lines of stderr)
   * or ToolLost instead of ending when the step did not succeed. Returning early, or an abort, kills the tool.
   */
  read(args: readonly string[], options: StepOptions): Bytes;
  /** Runs a tool that reads `input` on its standard input. Resolves when it succeeded, with what it wrote. */
  write(args: readonly string[], input: Bytes, options: StepOptions): Promise<StepOutput>;
  /** Runs a tool with no input and little output. */
  run(args: readonly string[], options: StepOptions): Promise<StepOutput>;
  /** Puts a file that only the tool may read (mode 0600, its uid) at a path the tool can open. The answer is that path. */
  writeSecret(name: string, content: string, signal: AbortSignal): Promise<string>;
}

export interface StepOptions {
  signal: AbortSignal;
  env?: Readonly<Record<string, string>>;
  /** What of a failed tool's stderr goes into the message. Left out: all of it; of either the last lines only. */
  wordsOf?: (stderr: string) => string;
}

export interface StepOutput {
  stdout: string;
  stderr: string;
}
