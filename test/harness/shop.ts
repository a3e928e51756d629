import { readFileSync } from 'node:fs';

interface Server {
  /** Runs SQL, several statements too, as a superuser. */
  query(sql: string, as?: { database?: string }): Promise<unknown>;
}

const fixture = (name: string): string => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');

/** The role that the documentation tells users to make, with nothing but the grants listed there. */
export const backupRole = { username: 'backstay_backup', password: 'backup-password' };

/** Makes the textbook's shop as a database of its own, and the backup role. */
export async function makeShop(server: Server, database = 'shop'): Promise<void> {
  await server.query(`CREATE DATABASE "${database.replaceAll('"', '""')}"`);
  await server.query(fixture('shop.sql'), { database });
  await server.query(fixture('backup-role.sql'), { database });
}
