import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Everything ends up as files under ui/dist, served by the appliance; nothing is inlined, so that the CSP can stay `default-src 'self'`.
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: { outDir: '../dist', emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1200 },
})
