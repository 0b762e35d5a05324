/** What was heard since the model was opened. */

import { rank, type ModelInfo, type Prediction } from "./model";
import type { Heard } from "./network";
import type { Mapped } from "./map_view";

export interface Sound extends Mapped {
  seconds: number;
  /** (frames * num_mels,) */
  frames: Float32Array;
  predictions: Prediction[];
  took_ms: number;
}

export function sound(name: string, seconds: number, frames: Float32Array, heard: Heard, info: ModelInfo): Sound {
  const predictions = heard.probabilities ? rank(heard.probabilities, info) : [];
  const classIndex = predictions.length ? info.classes.indexOf(predictions[0].label) : -1;
  return { name, seconds, frames, predictions, classIndex, embedding: heard.embedding, took_ms: heard.took_ms };
}

/** Sounds as JSON, to compare with vectors of the same space from elsewhere. */
export function asJson(sounds: Sound[], info: ModelInfo): string {
  return JSON.stringify({
    model: info.name,
    space_id: info.spaceId,
    licence: info.licence,
    sounds: sounds.map(({ name, seconds, predictions, embedding }) => ({
      name,
      seconds,
      probabilities: Object.fromEntries(predictions.map(({ label, probability }) => [label, probability])),
      embedding: Array.from(embedding),
    })),
  });
}
