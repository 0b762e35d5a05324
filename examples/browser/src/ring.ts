/** The last samples of an endless sound. */
export class Ring {
  readonly #held: Float32Array;
  #count = 0;

  constructor(capacity: number) {
    this.#held = new Float32Array(capacity);
  }

  /** Samples that came so far, also those that were overwritten. */
  get count(): number {
    return this.#count;
  }

  push(samples: Float32Array): void {
    const size = this.#held.length;
    for (let i = 0; i < samples.length; i++) this.#held[(this.#count + i) % size] = samples[i];
    this.#count += samples.length;
  }

  /** A copy of the last `length` samples, oldest first; of as many as there are. */
  last(length: number): Float32Array {
    const size = this.#held.length;
    const taken = Math.min(length, this.#count, size);
    const first = (this.#count - taken) % size;
    const copy = new Float32Array(taken);
    const untilEnd = this.#held.subarray(first, first + taken);
    copy.set(untilEnd);
    copy.set(this.#held.subarray(0, taken - untilEnd.length), untilEnd.length);
    return copy;
  }
}
