/**
 * A picture of the page with sounds in it: node tools/picture.js MODEL.onnx PICTURE.png SOUND...
 *
 * The last sound is the one that is shown.
 */

import { basename } from "node:path";
import { argv, exit } from "node:process";

import { launch } from "./chromium.js";
import { serve } from "./serve.js";

const [model, picture, ...sounds] = argv.slice(2);
if (sounds.length === 0) {
  console.error("usage: node tools/picture.js MODEL.onnx PICTURE.png SOUND...");
  exit(2);
}
const server = await serve({ [`/${basename(model)}`]: model });
const context = await launch({ viewport: { width: 1180, height: 860 }, colorScheme: "light" });
try {
  const page = await context.newPage();
  await page.goto(`${server.url}?model=${basename(model)}`);
  await page.locator("#status").getByText("Ready").waitFor();
  await page.setInputFiles("#open-sound", sounds);
  await page.locator("#sounds li").nth(sounds.length - 1).waitFor({ timeout: 120_000 });
  await page.screenshot({ path: picture, fullPage: true });
} finally {
  await context.close();
  server.close();
}
