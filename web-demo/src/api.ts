import { Server } from '../../client/browser.ts';
import { apiKey } from './api-key.ts';

/** The server that this page came from. */
export const server = new Server({ url: new URL('/', location.href), key: apiKey });
