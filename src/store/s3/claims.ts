/**
 * "First writer wins" on a store that has no conditional write but lists at once what was written: consensus by
 * adopt-commit rounds (Gafni 1998; Aspnes 2012), without clocks or leases, so that neither a slow nor a dead writer can
 * make two winners. Every note has a name of its own; a note is never changed.
 *
 * A round: write `a` with my candidate, list the `a`s. All the same: write `b` as sure, else as unsure. List the `b`s:
 * all sure: decided. One sure: adopt its candidate for the next round. None: adopt the smallest.
 * Why it holds: of two writers that are sure of different candidates, the later to write its `a` would have listed the
 * earlier one's, so all that are sure in a round agree. Who decides saw only sure `b`s; whoever writes its `b` later lists that
 * one too and adopts it. So after a decision every writer goes on with the winner, a newcomer as well: it starts at
 * round 1 and passes through the same notes.
 */
export interface Notes {
  /** Writes an empty object under this name. */
  write(name: string): Promise<void>;
  /** The names that begin so; sees everything that was written before the call. */
  list(prefix: string): Promise<string[]>;
}

/** The candidate that wins, the same for every writer that ever asks. `me` is unique per writer, without a dash. */
export async function decide(notes: Notes, me: string): Promise<string> {
  let candidate = me;
  for (let round = 1; ; round += 1) {
    const a = `${String(round).padStart(4, '0')}-a-`;
    await notes.write(`${a}${me}-${candidate}`);
    const candidates = new Set((await notes.list(a)).map(lastWord));
    const b = `${String(round).padStart(4, '0')}-b-`;
    await notes.write(`${b}${candidates.size === 1 ? 'sure' : 'unsure'}-${me}-${candidate}`);
    const seen = await notes.list(b);
    const sure = seen.filter((name) => name.startsWith(`${b}sure-`)).map(lastWord);
    if (sure[0] !== undefined) {
      candidate = sure[0];
      if (sure.length === seen.length) return candidate;
    } else {
      candidate = seen.map(lastWord).sort()[0] ?? candidate;
    }
  }
}

function lastWord(name: string): string {
  return name.slice(name.lastIndexOf('-') + 1);
}
