// Build and development server of the console. `npm run dev` proxies the API to a running server
// (ROENTGEN_URL, by default http://127.0.0.1:2000) or to the mock of `npm run mock`.

import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { openSans } from './tools/open-sans.ts'
import { thirdParty } from './tools/third-party.ts'

const server = process.env['ROENTGEN_URL'] ?? 'http://127.0.0.1:2000'

export default defineConfig({
  // Relative addresses: the console works below any path of a reverse proxy.
  base: './',
  plugins: [openSans(), react(), thirdParty()],
  server: {
    proxy: Object.fromEntries(
      ['/api/v1', '/healthz', '/ServiceGraph', '/TraceGraph', '/Groups', '/GetSamplingRules'].map((path) => [path, { target: server }]),
    ),
  },
  build: {
    // The first versions with light-dark(), which our palette is made of; older ones would need a copy for each theme.
    target: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    // Inlined data: addresses would need a looser Content-Security-Policy, and cannot be cached.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // For tools/verify.mjs; tools/compress.mjs takes it out of what is served.
    manifest: true,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Large, rarely changing libraries in files of their own: an upgrade of ours leaves them cached.
          groups: [
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/, priority: 3 },
            { name: 'flow', test: /node_modules[\\/](@xyflow|d3-|zustand|classcat|@dagrejs)/, priority: 3 },
            { name: 'tanstack', test: /node_modules[\\/]@tanstack[\\/]/, priority: 3 },
          ],
        },
      },
    },
  },
})
