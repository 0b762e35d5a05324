/** The built page on 127.0.0.1, for tests and pictures: a plain static server with a few files more. */

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

export const DIST = join(import.meta.dirname, "..", "dist");

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
};

/**
 * @param {Record<string, string>} extra Files beside the page: path in the URL -> file.
 * @param {boolean} isolated Send the headers that allow threads.
 * @returns {Promise<{url: string, missing: string[], close: () => void}>} `missing` fills with the paths that were
 *   asked for and are not there.
 */
export async function serve(extra = {}, isolated = false) {
  if (!existsSync(join(DIST, "index.html"))) throw new Error("there is no dist/: run `npm run build` first");
  /** @type {string[]} */
  const missing = [];
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://here").pathname);
    const file = extra[path] ?? join(DIST, path === "/" ? "index.html" : path);
    if (isolated) {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    if (!existsSync(file) || !statSync(file).isFile()) {
      missing.push(path);
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}/`, missing, close: () => void server.close() };
}
