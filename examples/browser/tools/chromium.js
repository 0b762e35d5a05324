/** The installed Chromium, headless, with a new profile each time. */

import { existsSync } from "node:fs";
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
  const fake = [`--use-file-for-fake-audio-capture=${microphone}`, "--use-fake-device-for-media-stream"];
  const args = [...FLAGS, ...(microphone ? fake : [])];
  const browser = await chromium.launch({ executablePath, args, headless: true });
  const context = await browser.newContext(options);
  context.on("close", () => void browser.close());
  return context;
}
