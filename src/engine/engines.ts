import type { Engine } from './engine.ts';
import { postgres } from './postgres/postgres.ts';

const engines: Record<'PostgreSQL', Engine> = { PostgreSQL: postgres };

/** The engine of that name: the one place that knows them all. */
export const engineOf = (name: keyof typeof engines): Engine => engines[name];
