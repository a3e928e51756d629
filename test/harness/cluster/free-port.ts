import { createServer, type Server } from 'node:net';

/**
 * Below the range from which Linux takes the ports of outgoing connections (32768 to 60999): a server that is restarted on its
 * port would else find it taken by a client, most likely by the one that tries to reach it.
 */
const lowest = 15_000;
const highest = 32_000;

/** Distinct TCP ports that were free on the address a moment ago. */
export async function freePorts(address: string, count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  for (let tries = 0; held.size < count; tries += 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (held.has(port)) continue;
    const server = await listening(address, port);
    if (server !== undefined) held.set(port, server);
    else if (tries > 1_000) throw new Error(`no free port on ${address}`);
  }
  await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  return [...held.keys()];
}

function listening(address: string, port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, address, () => resolve(server));
  });
}
