import { defaultClientConditions, defineConfig } from "vite";

export default defineConfig({
  base: "./", // the built page works in any folder of any static server
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
  build: { target: "es2022", assetsInlineLimit: 0 },
  worker: { format: "es" },
});
