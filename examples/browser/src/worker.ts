/** The model, off the page's thread: one session, one sound at a time. */

import * as ort from "onnxruntime-web/wasm";
import moduleUrl from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import type { Answer, Heard, Question } from "./network";

ort.env.wasm.wasmPaths = { mjs: moduleUrl, wasm: wasmUrl };
// threads share memory, which browsers allow where the server isolates the page (COOP and COEP headers)
ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;

let session: ort.InferenceSession | undefined;

async function open(file: Uint8Array): Promise<string[]> {
  await session?.release();
  session = undefined;
  session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  return [...session.inputNames, ...session.outputNames];
}

async function run(samples: Float32Array, outputs: string[]): Promise<Heard> {
  if (!session) throw new Error("no model is open");
  const begun = performance.now();
  const audio = new ort.Tensor("float32", samples, [1, samples.length]);
  const values = await session.run({ audio }, outputs);
  const read = (name: string) => (outputs.includes(name) ? (values[name].data as Float32Array).slice() : null);
  const embedding = read("embedding") as Float32Array;
  return { embedding, probabilities: read("probabilities"), took_ms: performance.now() - begun };
}

let last: Promise<unknown> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Question>) => {
  const job = (): Promise<unknown> => (data.kind === "open" ? open(data.file) : run(data.samples, data.outputs));
  last = last.then(job).then(
    (result) => self.postMessage({ id: data.id, result } as Answer),
    (error: unknown) => self.postMessage({ id: data.id, error: String(error) } as Answer),
  );
};
