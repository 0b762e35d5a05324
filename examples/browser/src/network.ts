/** An open model, as the page sees it. */

import { isLongEnough, readModelInfo, UserError, type ModelInfo } from "./model";

export interface Heard {
  embedding: Float32Array;
  /** (classes,), or null for a student without a head. */
  probabilities: Float32Array | null;
  /** What the network took, in milliseconds. */
  took_ms: number;
}

export type Question = { id: number } & (
  | { kind: "open"; file: Uint8Array }
  | { kind: "run"; samples: Float32Array; outputs: string[] }
);
export type Answer = { id: number; result?: unknown; error?: string };
type Asked = Question extends infer Q ? (Q extends { id: number } ? Omit<Q, "id"> : never) : never;

const WANTED = ["audio", "embedding"];
const WANTED_OF_CLASSIFIER = [...WANTED, "probabilities"];

export class Network {
  readonly info: ModelInfo;
  readonly #ask: (question: Asked, moved: Transferable[]) => Promise<unknown>;
  readonly #worker: Worker;

  private constructor(info: ModelInfo, worker: Worker) {
    this.info = info;
    this.#worker = worker;
    const waiting = new Map<number, (answer: Answer) => void>();
    let count = 0;
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      waiting.get(data.id)?.(data);
      waiting.delete(data.id);
    };
    this.#ask = (question, moved) =>
      new Promise((resolve, reject) => {
        const id = count++;
        waiting.set(id, ({ result, error }) => (error === undefined ? resolve(result) : reject(new Error(error))));
        worker.onerror = (event) => reject(new Error(event.message || "the worker could not be started"));
        worker.postMessage({ id, ...question }, moved);
      });
  }

  /** @throws UserError where the file is no sondo model, or onnxruntime cannot open it. */
  static async open(file: Uint8Array, called: string): Promise<Network> {
    const info = readModelInfo(file, called);
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const network = new Network(info, worker);
    try {
      const names = (await network.#ask({ kind: "open", file }, [file.buffer])) as string[];
      const wanted = info.classes.length ? WANTED_OF_CLASSIFIER : WANTED;
      const missing = wanted.filter((name) => !names.includes(name));
      if (missing.length) throw new Error(`it lacks ${missing.join(", ")}`);
    } catch (error) {
      worker.terminate();
      throw new UserError(`${called} cannot be opened: ${(error as Error).message}`);
    }
    return network;
  }

  /**
   * Embed one sound. The graph cuts it into windows of 10 s and averages them by their log-mel frames, and asks the
   * head about the average; so the sound goes in whole.
   *
   * @throws UserError where it is shorter than 0.1 s, or its vector is not finite: one such vector would spoil the map,
   *   and JSON has no word for it.
   */
  async hear(samples: Float32Array, called: string): Promise<Heard> {
    if (!isLongEnough(samples.length, this.info.frontEnd)) {
      throw new UserError(`${called} is shorter than 0.1 s: too short to embed.`);
    }
    const outputs = this.info.classes.length ? ["embedding", "probabilities"] : ["embedding"];
    const heard = (await this.#ask({ kind: "run", samples, outputs }, [])) as Heard;
    if (![...heard.embedding, ...(heard.probabilities ?? [])].every(Number.isFinite)) {
      throw new UserError(`${called}: the model's answer is not finite. Are the samples between -1 and 1?`);
    }
    return heard;
  }

  close(): void {
    this.#worker.terminate();
  }
}
