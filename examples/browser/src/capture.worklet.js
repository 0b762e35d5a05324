// Runs on the audio thread: gathers the microphone's blocks of 128 samples and posts them as (2048,) float32, mono.
const POSTED_SAMPLES = 2048;

class Capture extends AudioWorkletProcessor {
  #gathered = new Float32Array(POSTED_SAMPLES);
  #count = 0;

  process([channels]) {
    for (const [i] of (channels[0] ?? []).entries()) {
      this.#gathered[this.#count++] = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
      if (this.#count === POSTED_SAMPLES) {
        this.port.postMessage(this.#gathered, [this.#gathered.buffer]);
        this.#gathered = new Float32Array(POSTED_SAMPLES);
        this.#count = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
