/** The log-mel as a picture: of a whole sound, or of the last seconds of one that goes on. */

import { hzToMel, type LogMelSettings } from "./logmel";
import { element, html } from "./page";

/** Seconds that are shown while the microphone is on. */
export const LIVE_S = 10;

const MAX_COLUMNS = 1500;
const LEAST_RANGE = 6;
const HERTZ = [100, 500, 1000, 2000, 4000, 8000, 16000];
/** Dark violet to pale yellow, lightness rising evenly. */
const STOPS = [
  [0, 0, 4], [40, 17, 89], [114, 31, 129], [183, 55, 121], [241, 96, 93], [254, 176, 120], [252, 253, 191],
];
const COLOURS = colours();

export class LogMelView {
  readonly #canvas = element<HTMLCanvasElement>("log-mel");
  readonly #settings: LogMelSettings;
  #live = new Float32Array(0);
  #isDue = false;

  constructor(settings: LogMelSettings) {
    this.#settings = settings;
    const { f_min_hz, f_max_hz } = settings;
    const [low, high] = [hzToMel(f_min_hz), hzToMel(f_max_hz)];
    const ticks = HERTZ.filter((hz) => hz >= f_min_hz && hz <= f_max_hz).map((hz) => {
      const tick = html("span", "", hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz`);
      tick.style.bottom = `${(100 * (hzToMel(hz) - low)) / (high - low)}%`;
      return tick;
    });
    element("hertz").replaceChildren(...ticks);
    this.clear();
  }

  clear(): void {
    this.#live = new Float32Array(0);
    this.#canvas.getContext("2d")?.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    element("seconds").replaceChildren();
  }

  /** Draw a whole sound from its frames (frames * num_mels,). */
  show(frames: Float32Array, seconds: number, called: string): void {
    this.#live = new Float32Array(0);
    this.#draw(frames, frames.length / this.#settings.num_mels);
    this.#canvas.setAttribute("aria-label", `Log-mel spectrogram of ${called}, ${seconds.toFixed(1)} seconds`);
    timeTicks(0, seconds);
  }

  /** Put the next frames on the right; what is older than `LIVE_S` leaves on the left. */
  scroll(frames: Float32Array): void {
    const { num_mels, sample_rate, hop } = this.#settings;
    const columns = Math.round((LIVE_S * sample_rate) / hop);
    if (this.#live.length === 0) {
      this.#live = new Float32Array(columns * num_mels).fill(this.#floor);
      this.#canvas.setAttribute("aria-label", `Log-mel spectrogram of the microphone, the last ${LIVE_S} seconds`);
      timeTicks(-LIVE_S, 0);
    }
    const added = frames.subarray(Math.max(0, frames.length - this.#live.length));
    this.#live.copyWithin(0, added.length);
    this.#live.set(added, this.#live.length - added.length);
    if (this.#isDue) return; // a slow machine draws less often, and never falls behind
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      if (this.#live.length) this.#draw(this.#live, columns);
    });
  }

  get #floor(): number {
    return Math.log(this.#settings.log_offset);
  }

  #draw(frames: Float32Array, num_frames: number): void {
    const { num_mels } = this.#settings;
    const width = Math.min(num_frames, MAX_COLUMNS);
    const image = new ImageData(Math.max(1, width), num_mels);
    const pixels = new Uint32Array(image.data.buffer);
    let top = this.#floor + LEAST_RANGE;
    for (const level of frames) top = Math.max(top, level);
    const scale = (COLOURS.length - 1) / (top - this.#floor);
    for (let x = 0; x < width; x++) {
      // of frames that share a column, the loudest is seen
      const first = Math.floor((x * num_frames) / width);
      const end = Math.max(first + 1, Math.floor(((x + 1) * num_frames) / width));
      for (let band = 0; band < num_mels; band++) {
        let level = this.#floor;
        for (let t = first; t < end; t++) level = Math.max(level, frames[t * num_mels + band]);
        pixels[(num_mels - 1 - band) * width + x] = COLOURS[Math.round((level - this.#floor) * scale)];
      }
    }
    const small = new OffscreenCanvas(image.width, image.height);
    small.getContext("2d")?.putImageData(image, 0, 0);
    const { clientWidth, clientHeight } = this.#canvas;
    const size = [Math.round(clientWidth * devicePixelRatio), Math.round(clientHeight * devicePixelRatio)];
    if (this.#canvas.width !== size[0]) this.#canvas.width = size[0];
    if (this.#canvas.height !== size[1]) this.#canvas.height = size[1];
    this.#canvas.getContext("2d")?.drawImage(small, 0, 0, this.#canvas.width, this.#canvas.height);
  }
}

/** 256 colours between the stops, each as the four bytes of a pixel. */
function colours(): Uint32Array {
  const made = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(made.buffer);
  for (let i = 0; i < made.length; i++) {
    const at = (i / (made.length - 1)) * (STOPS.length - 1);
    const index = Math.min(Math.floor(at), STOPS.length - 2);
    const [from, to] = [STOPS[index], STOPS[index + 1]];
    bytes.set([...from.map((value, channel) => value + (to[channel] - value) * (at - index)), 255], 4 * i);
  }
  return made;
}

function timeTicks(from_s: number, to_s: number): void {
  const ticks = Array.from({ length: 6 }, (_, i) => {
    const tick = html("span", "", `${(from_s + ((to_s - from_s) * i) / 5).toFixed(to_s - from_s < 8 ? 1 : 0)} s`);
    tick.style.left = `${20 * i}%`;
    return tick;
  });
  element("seconds").replaceChildren(...ticks);
}
