import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [vue()],
  worker: { format: 'es' },
  build: { chunkSizeWarningLimit: 8_000, reportCompressedSize: false, sourcemap: false },
  server: { fs: { allow: ['../../..'] } },
});
