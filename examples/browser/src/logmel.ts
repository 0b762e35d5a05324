/**
 * The log-mel that is shown. The model makes its own inside its graph; this one follows the same definition
 * (`sondo.audio.logmel`) and the settings in the file's metadata.
 */

/** As in the metadata `sondo.front_end`. */
export interface LogMelSettings {
  sample_rate: number;
  n_fft: number;
  hop: number;
  num_mels: number;
  f_min_hz: number;
  f_max_hz: number;
  log_offset: number;
}

const LINEAR_HZ_PER_MEL = 200 / 3;
const KNEE_HZ = 1000;
const KNEE_MEL = KNEE_HZ / LINEAR_HZ_PER_MEL;
const LOG_STEP = Math.log(6.4) / 27;

/** Slaney's mel scale. */
export function hzToMel(hz: number): number {
  return hz < KNEE_HZ ? hz / LINEAR_HZ_PER_MEL : KNEE_MEL + Math.log(hz / KNEE_HZ) / LOG_STEP;
}

export function melToHz(mel: number): number {
  return mel < KNEE_MEL ? mel * LINEAR_HZ_PER_MEL : KNEE_HZ * Math.exp(LOG_STEP * (mel - KNEE_MEL));
}

interface Triangle {
  first: number;
  weights: Float64Array;
}

export class LogMel {
  readonly settings: LogMelSettings;
  readonly #window: Float64Array;
  readonly #triangles: Triangle[];
  readonly #real: Float64Array;
  readonly #imaginary: Float64Array;
  readonly #power: Float64Array;

  constructor(settings: LogMelSettings) {
    const { n_fft } = settings;
    this.settings = settings;
    this.#window = Float64Array.from({ length: n_fft }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n_fft));
    this.#triangles = triangles(settings);
    this.#real = new Float64Array(n_fft);
    this.#imaginary = new Float64Array(n_fft);
    this.#power = new Float64Array(n_fft / 2 + 1);
  }

  /** Write the frame that begins at sample `start` to `out` (num_mels,), lowest band first. */
  frame(samples: Float32Array, start: number, out: Float32Array): void {
    const { n_fft, log_offset } = this.settings;
    for (let i = 0; i < n_fft; i++) this.#real[i] = samples[start + i] * this.#window[i];
    this.#imaginary.fill(0);
    fft(this.#real, this.#imaginary);
    for (let i = 0; i <= n_fft / 2; i++) this.#power[i] = this.#real[i] ** 2 + this.#imaginary[i] ** 2;
    this.#triangles.forEach(({ first, weights }, band) => {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * this.#power[first + i];
      out[band] = Math.log(sum + log_offset);
    });
  }

  /** All frames of a sound, one after the other: (frames * num_mels,). */
  all(samples: Float32Array): Float32Array {
    const { n_fft, hop, num_mels } = this.settings;
    const frames = samples.length < n_fft ? 0 : 1 + Math.floor((samples.length - n_fft) / hop);
    const out = new Float32Array(frames * num_mels);
    for (let t = 0; t < frames; t++) this.frame(samples, t * hop, out.subarray(t * num_mels, (t + 1) * num_mels));
    return out;
  }
}

/** The frames of a sound that arrives piece by piece; they do not depend on the pieces. */
export class LogMelStream {
  readonly #logMel: LogMel;
  #rest = new Float32Array(0);

  constructor(logMel: LogMel) {
    this.#logMel = logMel;
  }

  /** The frames that these samples complete: (frames * num_mels,). */
  feed(samples: Float32Array): Float32Array {
    const held = new Float32Array(this.#rest.length + samples.length);
    held.set(this.#rest);
    held.set(samples, this.#rest.length);
    const { hop, num_mels } = this.#logMel.settings;
    const frames = this.#logMel.all(held);
    this.#rest = held.slice((frames.length / num_mels) * hop);
    return frames;
  }
}

/** Triangles of unit area in Hz on the mel scale. */
function triangles(settings: LogMelSettings): Triangle[] {
  const { num_mels, n_fft, sample_rate } = settings;
  const low = hzToMel(settings.f_min_hz);
  const step = (hzToMel(settings.f_max_hz) - low) / (num_mels + 1);
  const edge = (index: number) => melToHz(low + index * step);
  const hzPerBin = sample_rate / n_fft;
  return Array.from({ length: num_mels }, (_, band) => {
    const [lower, centre, upper] = [edge(band), edge(band + 1), edge(band + 2)];
    const first = Math.max(0, Math.ceil(lower / hzPerBin));
    const last = Math.min(n_fft / 2, Math.floor(upper / hzPerBin));
    const weights = Float64Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => {
      const hz = (first + i) * hzPerBin;
      const height = Math.min((hz - lower) / (centre - lower), (upper - hz) / (upper - centre));
      return (2 / (upper - lower)) * Math.max(0, height);
    });
    return { first, weights };
  });
}

/** The discrete Fourier transform in place, radix 2; the length is a power of two. */
export function fft(real: Float64Array, imaginary: Float64Array): void {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      const [cos, sin] = [Math.cos((Math.PI * k) / half), -Math.sin((Math.PI * k) / half)];
      for (let i = k; i < size; i += 2 * half) {
        const j = i + half;
        const re = real[j] * cos - imaginary[j] * sin;
        const im = real[j] * sin + imaginary[j] * cos;
        [real[j], imaginary[j]] = [real[i] - re, imaginary[i] - im];
        [real[i], imaginary[i]] = [real[i] + re, imaginary[i] + im];
      }
    }
  }
}
