/**
 * What one vector takes in Chromium: node tools/latency.js MODEL.onnx
 *
 * Median of ten sounds of each length, without decoding; the first one, which also warms up, is left out.
 */

import { basename } from "node:path";
import { argv, exit } from "node:process";

import { launch } from "./chromium.js";
import { serve } from "./serve.js";

const LENGTHS_S = [1, 2, 5, 10];
const REPEATS = 10;
const RATE = 32000;

const model = argv[2];
if (!model) {
  console.error("usage: node tools/latency.js MODEL.onnx");
  exit(2);
}
for (const isolated of [false, true]) {
  const server = await serve({ [`/${basename(model)}`]: model }, isolated);
  const context = await launch();
  try {
    const page = await context.newPage();
    await page.goto(`${server.url}?model=${basename(model)}`);
    await page.locator("#status").getByText("Ready").waitFor();
    for (const seconds of LENGTHS_S) {
      const took = [];
      for (let turn = 0; turn <= REPEATS; turn++) {
        const name = `${seconds}-${turn}.wav`;
        await page.setInputFiles("#open-sound", { name, mimeType: "audio/wav", buffer: noise(seconds) });
        const said = page.locator("#status").getByText(`${name}`).getByText("embedded in");
        await said.waitFor();
        took.push(Number(/embedded in (\d+) ms/.exec((await said.textContent()) ?? "")?.[1]));
      }
      const median = took.slice(1).sort((a, b) => a - b)[REPEATS / 2];
      console.log(`${isolated ? "threads" : "one thread"}\t${seconds} s\t${median} ms`);
    }
  } finally {
    await context.close();
    server.close();
  }
}

/** A WAV of noise, 16 bit, mono. @param {number} seconds */
function noise(seconds) {
  const bytes = 2 * seconds * RATE;
  const file = Buffer.alloc(44 + bytes);
  file.write("RIFF", 0);
  file.writeUInt32LE(36 + bytes, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(2 * RATE, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36);
  file.writeUInt32LE(bytes, 40);
  for (let at = 44; at < file.length; at += 2) file.writeInt16LE(Math.round((Math.random() - 0.5) * 20000), at);
  return file;
}
