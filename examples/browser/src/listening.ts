/** The microphone, live: frames as they come, a vector every half second over the last seconds. */

import { LogMel, LogMelStream } from "./logmel";
import { isLongEnough } from "./model";
import type { Heard, Network } from "./network";
import { Ring } from "./ring";
import { record, type Recording } from "./sound";

const HOP_S = 0.5;
const LONGEST_S = 10;

export interface Listener {
  onFrames(frames: Float32Array): void;
  onHeard(heard: Heard, seconds: number): void;
  onError(error: unknown): void;
  onEnd(): void;
}

/** @param windowSeconds How much sound a vector tells of; asked each time, so it can change while listening. */
export async function listen(network: Network, windowSeconds: () => number, listener: Listener): Promise<Recording> {
  const { sampleRate, frontEnd } = network.info;
  const ring = new Ring(LONGEST_S * sampleRate);
  const stream = new LogMelStream(new LogMel(frontEnd));
  let due = HOP_S * sampleRate;
  let isBusy = false;
  let isOver = false;

  async function hear(): Promise<void> {
    const samples = ring.last(Math.round(windowSeconds() * sampleRate));
    if (!isLongEnough(samples.length, frontEnd)) return;
    isBusy = true;
    try {
      const heard = await network.hear(samples, "The microphone");
      if (!isOver) listener.onHeard(heard, samples.length / sampleRate);
    } catch (error) {
      if (!isOver) listener.onError(error);
    } finally {
      isBusy = false;
    }
  }

  const recording = await record(
    sampleRate,
    (samples) => {
      if (isOver) return;
      ring.push(samples);
      listener.onFrames(stream.feed(samples));
      if (ring.count < due || isBusy) return; // a slow machine leaves hops out, and never falls behind
      due = (Math.floor(ring.count / (HOP_S * sampleRate)) + 1) * HOP_S * sampleRate;
      void hear();
    },
    listener.onEnd,
  );
  return {
    stop: () => {
      isOver = true;
      return recording.stop();
    },
  };
}
