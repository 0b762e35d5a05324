import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { launch } from "../tools/chromium.js";
import { serve } from "../tools/serve.js";
import { expected, MADE } from "./expected";

const LEAST_COSINE = 0.9999;
const AT_MODEL_RATE = ["0.5s.wav", "3s.wav", "10s.wav", "25s.wav", "stereo.wav"];

interface Saved {
  space_id: string;
  sounds: { name: string; seconds: number; probabilities: Record<string, number>; embedding: number[] }[];
}

type Served = Awaited<ReturnType<typeof serve>>;

const made = (name: string) => join(MADE, name);
const status = (page: Page) => page.locator("#status");
const opened: { close(): unknown }[] = [];

afterAll(async () => {
  for (const thing of opened.reverse()) await thing.close();
});

async function open(path = "", { isolated = false, microphone = "" } = {}): Promise<[Page, Served, BrowserContext]> {
  const server = await serve(
    { "/model.onnx": made("model.onnx"), "/folder/student.onnx": made("student.onnx") },
    isolated,
  );
  opened.push(server);
  const context = await launch({ acceptDownloads: true }, microphone);
  opened.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(server.url + path);
  return [page, server, context];
}

/** Give the page files, as its button does, and wait for each answer. */
async function hear(page: Page, names: string[]): Promise<void> {
  const before = await page.locator("#sounds li").count();
  await page.setInputFiles("#open-sound", names.map(made));
  await page.locator("#sounds li").nth(before + names.length - 1).waitFor();
}

async function saved(page: Page): Promise<Saved> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  return JSON.parse(readFileSync(await download.path(), "utf-8")) as Saved;
}

function cosine(a: number[], b: number[]): number {
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

const first = (probabilities: Record<string, number>) =>
  Object.entries(probabilities).sort((a, b) => b[1] - a[1])[0][0];

describe.each([false, true])("files, with threads: %s", (isolated) => {
  let page: Page;
  let server: Served;
  let vectors: Saved;
  const outside: string[] = [];
  const names = Object.keys(expected().sounds);

  beforeAll(async () => {
    [page, server] = await open("", { isolated });
    page.on("request", (request) => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith("blob:")) outside.push(request.url());
    });
    await status(page).getByText("Ready").waitFor();
    await hear(page, names);
    vectors = await saved(page);
  });

  test("the page is isolated only where the server says so", async () => {
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(isolated);
  });

  test.each(AT_MODEL_RATE)("%s: the vector and labels of Python", (name) => {
    const found = vectors.sounds[names.indexOf(name)];
    const wanted = expected().sounds[name];
    expect(found.name).toBe(name);
    expect(found.embedding.length).toBe(wanted.embedding.length);
    expect(cosine(found.embedding, wanted.embedding)).toBeGreaterThanOrEqual(LEAST_COSINE);
    expect(first(found.probabilities)).toBe(first(wanted.probabilities));
    for (const [label, probability] of Object.entries(wanted.probabilities)) {
      expect(found.probabilities[label]).toBeCloseTo(probability, 3);
    }
  });

  test("sounds of other rates, which the browser resamples in its own way, come near", () => {
    for (const name of ["16000hz.wav", "44100hz.wav", "48000hz.wav"]) {
      const found = cosine(vectors.sounds[names.indexOf(name)].embedding, expected().sounds[name].embedding);
      console.info(`${name}: cosine ${found.toFixed(6)} to Python`);
      expect(found).toBeGreaterThan(0.99);
    }
  });

  test("vectors know their space", () => {
    expect(vectors.space_id).toBe(expected().space_id);
  });

  test("nothing is fetched from elsewhere, and nothing is missing", () => {
    expect(outside).toEqual([]);
    expect(server.missing).toEqual([]);
  });
});

describe("what the page shows", () => {
  let page: Page;

  beforeAll(async () => {
    [page] = await open();
    await status(page).getByText("Ready").waitFor();
    await hear(page, ["3s.wav", "10s.wav", "0.5s.wav"]);
  });

  test("model and licence", async () => {
    expect(await page.textContent("#model")).toContain("classifier of 4 labels");
    expect(await page.textContent("#licence")).toContain(expected().licence);
  });

  test("the labels of the last sound, with its answer first in words", async () => {
    const wanted = expected().sounds["0.5s.wav"].probabilities;
    expect(await page.textContent("#answer")).toBe(first(wanted));
    const bars = await page.locator("#bars li").evaluateAll((items) =>
      items.map((item) => [(item as HTMLElement).dataset.label, item.querySelector(".percent")?.textContent]),
    );
    expect(bars).toEqual(expected().classes.map((label) => [label, `${Math.round(100 * wanted[label])} %`]));
  });

  test("a point for each sound, one of them chosen; another can be chosen by keyboard", async () => {
    expect(await page.locator("#map circle").count()).toBe(3);
    await page.locator("#sounds button").first().focus();
    await page.keyboard.press("Enter");
    await page.locator("#sound-name").getByText("3s.wav, 3.0 s").waitFor();
    expect(await page.locator("#sounds [aria-current=true]").textContent()).toContain("3s.wav");
    expect(await page.locator("#map .selected title").textContent()).toBe("3s.wav");
    expect(await page.textContent("#answer")).toBe(first(expected().sounds["3s.wav"].probabilities));
  });

  test("a log-mel with light and dark", async () => {
    const levels = await page.locator("#log-mel").evaluate((canvas: HTMLCanvasElement) => {
      const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      return new Set(pixels).size;
    });
    expect(levels).toBeGreaterThan(50);
  });

  test("dropped files are heard", async () => {
    const content = [...readFileSync(made("3s.wav"))];
    const transfer = await page.evaluateHandle((bytes) => {
      const made = new DataTransfer();
      made.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
      return made;
    }, content);
    await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
    await page.locator("#sounds").getByText("dropped.wav").waitFor();
  });
});

describe("what is refused, in words", () => {
  let page: Page;

  beforeAll(async () => {
    [page] = await open();
    await status(page).getByText("Ready").waitFor();
  });

  test.each([
    ["#open-model", "foreign.onnx", "foreign.onnx is not a file that `sondo export` or `sondo probe` wrote."],
    ["#open-model", "text.onnx", "text.onnx is no ONNX file."],
    ["#open-sound", "no-sound.wav", "no-sound.wav: this browser cannot decode it as sound."],
    ["#open-sound", "too-short.wav", "too-short.wav is shorter than 0.1 s"],
    ["#open-sound", "not-a-number.wav", "not-a-number.wav holds a sample that is not a finite number, at 0.023 s."],
    ["#open-sound", "infinite.wav", "infinite.wav holds a sample that is not a finite number, at 0.023 s."],
    ["#open-sound", "far-too-loud.wav", "far-too-loud.wav: the model's answer is not finite."],
  ])("%s %s", async (input, name, message) => {
    await page.setInputFiles(input, made(name));
    await page.locator("#status.error").getByText(message).waitFor();
    expect(await page.locator("#sounds li").count()).toBe(0);
  });

  test("a microphone that is not allowed", async () => {
    await page.click("#microphone");
    await page.locator("#status.error").getByText(/microphone (is not allowed|was found)/).waitFor();
    expect(await page.getAttribute("#microphone", "aria-pressed")).toBe("false");
  });

  test("the page goes on afterwards", async () => {
    await hear(page, ["3s.wav"]);
    expect(await page.textContent("#answer")).toBe(first(expected().sounds["3s.wav"].probabilities));
  });
});

test("?model= names another file; a student has no labels", async () => {
  const [page] = await open("?model=folder/student.onnx");
  await status(page).getByText("Ready").waitFor();
  expect(await page.textContent("#model")).toContain("student.onnx");
  await hear(page, ["3s.wav"]);
  expect(await page.textContent("#answer")).toContain("sondo probe");
  const { sounds } = await saved(page);
  expect(cosine(sounds[0].embedding, expected().sounds["3s.wav"].embedding)).toBeGreaterThanOrEqual(LEAST_COSINE);
});

test("?model= of nothing, then a model by hand", async () => {
  const [page] = await open("?model=nowhere.onnx");
  await page.locator("#status.error").getByText("There is no model at nowhere.onnx").waitFor();
  await page.setInputFiles("#open-sound", made("3s.wav"));
  await page.locator("#status.error").getByText("Open a model first").waitFor();
  await page.setInputFiles("#open-model", made("model.onnx"));
  await status(page).getByText("Ready").waitFor();
});

test("another model takes vectors that were not saved only when it may", async () => {
  const [page] = await open();
  await status(page).getByText("Ready").waitFor();
  await hear(page, ["3s.wav"]);
  const asked: string[] = [];
  page.on("dialog", (dialog) => asked.push(dialog.message()));
  page.once("dialog", (dialog) => void dialog.dismiss());
  await page.setInputFiles("#open-model", made("student.onnx"));
  await status(page).getByText("student.onnx was not opened").waitFor();
  expect(asked).toEqual([expect.stringContaining("Open student.onnx?")]);
  expect((await saved(page)).sounds.length).toBe(1);

  page.once("dialog", (dialog) => void dialog.accept());
  await page.setInputFiles("#open-model", made("student.onnx")); // saved now: there is nothing to ask
  await status(page).getByText("Ready").waitFor();
  expect(asked.length).toBe(1);
  expect(await page.locator("#sounds li").count()).toBe(0);

  await hear(page, ["3s.wav"]);
  await page.setInputFiles("#open-model", made("model.onnx"));
  await status(page).getByText("Ready").waitFor();
  expect(asked.length).toBe(2);
});

test("the microphone, live", async () => {
  const [page, server, context] = await open("", { microphone: made("10s.wav") });
  await context.grantPermissions(["microphone"], { origin: server.url });
  await status(page).getByText("Ready").waitFor();
  await page.click("#microphone");
  await page.locator("#sound-name").getByText(/Microphone: 2\.0 s embedded/).waitFor();
  expect(await page.locator("#bars li").count()).toBe(4);
  expect(await page.locator("#map circle").count()).toBeGreaterThan(1);
  await page.selectOption("#window", "1");
  await page.locator("#sound-name").getByText(/Microphone: 1\.0 s embedded/).waitFor();
  await page.click("#microphone");
  await status(page).getByText("The microphone is off.").waitFor();
});
