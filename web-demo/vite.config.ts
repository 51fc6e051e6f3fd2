import { defineConfig } from 'vite';

/** Built for a strict Content-Security-Policy: no data: URLs, no inline script, every file beside the page. */
export default defineConfig({
  base: './',
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: false,
  },
});
