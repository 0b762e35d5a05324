/** What `make_expected.py` made: models, WAVs, and the answers of sondo in Python. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { LogMelSettings } from "../src/logmel";

export const MADE = join(import.meta.dirname, "made");

export interface Expected {
  space_id: string;
  licence: string;
  classes: string[];
  front_end: LogMelSettings;
  sounds: Record<string, { embedding: number[]; probabilities: Record<string, number> }>;
  "log_mel_of_0.5s": { samples: number[]; frames: number[][] };
}

let read: Expected | undefined;

export function expected(): Expected {
  const path = join(MADE, "expected.json");
  if (!existsSync(path)) throw new Error("test/made is empty: `make test-browser` fills it, or test/make_expected.py");
  read ??= JSON.parse(readFileSync(path, "utf-8")) as Expected;
  return read;
}
