/** Two axes for vectors: the principal components of all that were seen so far, scaled to unit length first. */

export type Point = [number, number];

const ITERATIONS = 60;

export class Projection {
  #axes: Float64Array[] = [];

  /**
   * Learn the axes and give each vector's place. The search starts from the last axes, so the map of a growing
   * session neither flips nor jumps without need.
   */
  fit(vectors: readonly Float32Array[]): Point[] {
    if (vectors.length === 0) return [];
    const rows = vectors.map(unit);
    const mean = new Float64Array(rows[0].length);
    for (const row of rows) row.forEach((value, i) => (mean[i] += value / rows.length));
    for (const row of rows) row.forEach((value, i) => (row[i] = value - mean[i]));
    if (this.#axes[0]?.length !== mean.length) this.#axes = [0, 1].map((axis) => beginning(mean.length, axis));
    for (let turn = 0; turn < ITERATIONS; turn++) this.#axes = this.#turn(rows);
    return rows.map((row) => [dot(row, this.#axes[0]), dot(row, this.#axes[1])]);
  }

  /** One step of orthogonal iteration with the covariance, which is never formed. */
  #turn(rows: Float64Array[]): Float64Array[] {
    const found: Float64Array[] = [];
    for (const axis of this.#axes) {
      const next = new Float64Array(axis.length);
      for (const row of rows) {
        const along = dot(row, axis);
        for (let i = 0; i < next.length; i++) next[i] += along * row[i];
      }
      for (const earlier of found) {
        const along = dot(next, earlier);
        for (let i = 0; i < next.length; i++) next[i] -= along * earlier[i];
      }
      const length = Math.sqrt(dot(next, next));
      // all vectors equal, or all on one line: any axis does
      found.push(length < 1e-12 ? axis : next.map((value) => value / length));
    }
    return found;
  }
}

function beginning(size: number, axis: number): Float64Array {
  const start = Float64Array.from({ length: size }, (_, i) => Math.sin((i + 1) * (axis + 1)));
  const length = Math.sqrt(dot(start, start));
  return start.map((value) => value / length);
}

function unit(vector: Float32Array): Float64Array {
  const row = Float64Array.from(vector);
  const length = Math.sqrt(dot(row, row)) || 1;
  return row.map((value) => value / length);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
