import { readFileSync } from 'node:fs';

/** Runs SQL, several statements too, as a superuser of a server. */
export type Query = (sql: string, database?: string) => Promise<unknown>;

const fixture = (name: string): string => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');

/** The role that the documentation tells users to make, with nothing but the grants listed there. */
export const backupRole = { username: 'backstay_backup', password: 'backup-password' };

/** Makes the textbook's shop as a database of its own, and the backup role. */
export async function makeShop(query: Query, database = 'shop'): Promise<void> {
  await query(`CREATE DATABASE "${database.replaceAll('"', '""')}"`);
  await query(fixture('shop.sql'), database);
  await query(fixture('backup-role.sql'), database);
}
