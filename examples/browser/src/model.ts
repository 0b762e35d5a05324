/** What an exported file says of itself, and what is refused; the rules are those of `sondo.runtime`. */

import type { LogMelSettings } from "./logmel";
import { NotProtobufError, readMetadata } from "./metadata";

const FORMAT = "1";
const NEEDED = ["name", "space_id", "sample_rate", "embedding_dim", "licence", "front_end"];

export interface ModelInfo {
  name: string;
  spaceId: string;
  licence: string;
  sampleRate: number;
  embeddingDim: number;
  frontEnd: LogMelSettings;
  /** Empty for a student without a head. */
  classes: string[];
  multiLabel: boolean;
  /** The probability from which each class counts, where several can hold at once. */
  thresholds: number[];
}

export interface Prediction {
  label: string;
  probability: number;
  /** Whether it is the answer: the most probable class, or with several labels each that reaches its threshold. */
  isChosen: boolean;
}

/** An error whose message is for the reader of the page. */
export class UserError extends Error {}

/** @throws UserError where the file is none that `sondo export` or `sondo probe` wrote. */
export function readModelInfo(file: Uint8Array, called: string): ModelInfo {
  let metadata: Map<string, string>;
  try {
    metadata = readMetadata(file);
  } catch (error) {
    if (!(error instanceof NotProtobufError)) throw error;
    throw new UserError(`${called} is no ONNX file.`);
  }
  const format = metadata.get("sondo.format");
  if (format === undefined) {
    throw new UserError(`${called} is not a file that \`sondo export\` or \`sondo probe\` wrote.`);
  }
  if (format !== FORMAT) {
    throw new UserError(`${called} is in format ${format}, this page reads format ${FORMAT}: export it again.`);
  }
  const missing = NEEDED.filter((key) => !metadata.has(`sondo.${key}`));
  if (missing.length) throw new UserError(`${called} lacks sondo.${missing.join(", sondo.")}: export it again.`);
  const value = (key: string) => metadata.get(`sondo.${key}`) as string;
  let info: ModelInfo;
  try {
    info = {
      name: value("name"),
      spaceId: value("space_id"),
      licence: value("licence"),
      sampleRate: Number(value("sample_rate")),
      embeddingDim: Number(value("embedding_dim")),
      frontEnd: JSON.parse(value("front_end")),
      classes: JSON.parse(metadata.get("sondo.classes") ?? "[]"),
      multiLabel: JSON.parse(metadata.get("sondo.multi_label") ?? "false"),
      thresholds: JSON.parse(metadata.get("sondo.thresholds") ?? "[]"),
    };
  } catch {
    throw new UserError(`${called}: its metadata cannot be read; export it again.`);
  }
  if (!areClasses(info)) throw new UserError(`${called}: its classes or their thresholds are damaged; make it again.`);
  return info;
}

/** Whether each class has a name of its own, and with several labels a threshold from 0 to 1. */
function areClasses({ classes, multiLabel, thresholds }: ModelInfo): boolean {
  if (!Array.isArray(classes) || !Array.isArray(thresholds)) return false;
  const areNames = classes.every(Boolean) && new Set(classes).size === classes.length;
  const areThresholds = thresholds.every((value) => value >= 0 && value <= 1);
  return areNames && areThresholds && thresholds.length === (multiLabel ? classes.length : 0);
}

/** All classes, most probable first; classes that are equally probable keep their order. */
export function rank(probabilities: ArrayLike<number>, info: ModelInfo): Prediction[] {
  const order = info.classes.map((_, index) => index).sort((a, b) => probabilities[b] - probabilities[a]);
  return order.map((index, place) => ({
    label: info.classes[index],
    probability: probabilities[index],
    isChosen: info.multiLabel ? probabilities[index] >= info.thresholds[index] : place === 0,
  }));
}

/** The log-mel frames of a sound, 0 where it is shorter than one FFT. */
export function numFrames(numSamples: number, settings: LogMelSettings): number {
  return numSamples < settings.n_fft ? 0 : 1 + Math.floor((numSamples - settings.n_fft) / settings.hop);
}

const MIN_CLIP_S = 0.1;

/** Whether a sound has the log-mel frames of 0.1 s, the fewest that a student embeds. */
export function isLongEnough(numSamples: number, settings: LogMelSettings): boolean {
  return numFrames(numSamples, settings) >= numFrames(Math.round(MIN_CLIP_S * settings.sample_rate), settings);
}
