import { startServer } from './server.ts';

/* Serves the data folder that the first argument names until it is killed, and says its address on standard output. */

const { url } = await startServer({ dataDir: process.argv[2] ?? '', maxSessions: 20, maxQueuedJobs: 100_000 });
process.stdout.write(`${url}\n`);
