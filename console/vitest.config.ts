// Unit tests. They are apart from vite.config.ts because the release build must not need the test tools.

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    environment: 'happy-dom',
    include: ['test/unit/**/*.test.{ts,tsx}'],
    server: { deps: { inline: [/@cloudscape-design\//] } },
  },
})
