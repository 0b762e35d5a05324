/** The installed Chromium, headless, with a profile of its own. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
];

/**
 * @param {import("playwright-core").BrowserContextOptions} options
 * @param {string} [microphone] A WAV that plays as the microphone, over and over.
 */
export async function launch(options = {}, microphone = "") {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  if (!executablePath || !existsSync(executablePath)) {
    throw new Error("Chromium is missing: `apt-get install chromium`, or name it with CHROMIUM=/path/to/chromium");
  }
  const profile = mkdtempSync(join(tmpdir(), "sondo-browser-"));
  const fake = [`--use-file-for-fake-audio-capture=${microphone}`, "--use-fake-device-for-media-stream"];
  const args = [...FLAGS, ...(microphone ? fake : [])];
  const context = await chromium.launchPersistentContext(profile, { ...options, executablePath, args, headless: true });
  context.on("close", () => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  return context;
}
