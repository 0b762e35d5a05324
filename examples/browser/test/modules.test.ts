import { describe, expect, test } from "vitest";

import { fft, LogMel, LogMelStream } from "../src/logmel";
import { Projection } from "../src/projection";
import { Ring } from "../src/ring";
import { mono } from "../src/sound";
import { expected } from "./expected";

describe("log-mel", () => {
  test("the transform is the sum of its definition", () => {
    const [real, imaginary] = [Float64Array.of(1, 2, 0, -1, 3, 0.5, -2, 1), new Float64Array(8)];
    const signal = real.slice();
    fft(real, imaginary);
    for (let k = 0; k < 8; k++) {
      const sum = (part: (x: number) => number) =>
        signal.reduce((total, value, n) => total + value * part((2 * Math.PI * k * n) / 8), 0);
      expect(real[k]).toBeCloseTo(sum(Math.cos), 12);
      expect(imaginary[k]).toBeCloseTo(-sum(Math.sin), 12);
    }
  });

  test("equals that of sondo in Python", () => {
    const { samples, frames } = expected()["log_mel_of_0.5s"];
    const found = new LogMel(expected().front_end).all(Float32Array.from(samples));
    expect(found.length).toBe(frames.length * 128);
    const difference = frames.flat().map((value, i) => Math.abs(value - found[i]));
    expect(Math.max(...difference)).toBeLessThan(1e-3);
  });

  test("does not depend on the pieces", () => {
    const samples = Float32Array.from(expected()["log_mel_of_0.5s"].samples);
    const logMel = new LogMel(expected().front_end);
    const stream = new LogMelStream(logMel);
    const pieces = [samples.subarray(0, 700), samples.subarray(700, 5000), samples.subarray(5000)];
    expect(pieces.flatMap((piece) => [...stream.feed(piece)])).toEqual([...logMel.all(samples)]);
  });
});

describe("projection", () => {
  // on the unit circle of a plane in four dimensions, most of all along one direction
  const vectors = [0, 0.1, 0.2, 0.5, 0.9].map((angle) => Float32Array.of(Math.cos(angle), Math.sin(angle), 0, 0));

  test("vectors of a plane keep their distances", () => {
    const points = new Projection().fit(vectors);
    for (const [i, a] of vectors.entries()) {
      for (const [j, b] of vectors.entries()) {
        const wanted = Math.hypot(...a.map((value, k) => value - b[k]));
        expect(Math.hypot(points[i][0] - points[j][0], points[i][1] - points[j][1])).toBeCloseTo(wanted, 5);
      }
    }
  });

  test("the first axis has the most variance, and length does not count", () => {
    const points = new Projection().fit(vectors.map((vector, i) => vector.map((value) => value * (i + 1))));
    const spread = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis] ** 2, 0);
    expect(spread(0)).toBeGreaterThan(5 * spread(1));
    const plain = new Projection().fit(vectors);
    expect(points[0][0] - points[4][0]).toBeCloseTo(plain[0][0] - plain[4][0], 5);
  });

  test("a new vector does not turn the map around", () => {
    const projection = new Projection();
    const before = projection.fit(vectors.slice(0, 4));
    const after = projection.fit(vectors);
    expect(Math.sign(before[0][0] - before[3][0])).toBe(Math.sign(after[0][0] - after[3][0]));
  });

  test("no vectors, one, and the same one twice", () => {
    expect(new Projection().fit([])).toEqual([]);
    expect(new Projection().fit([vectors[0], vectors[0]]).flat().every((value) => Math.abs(value) < 1e-9)).toBe(true);
  });
});

test("a ring keeps the last samples in order", () => {
  const ring = new Ring(4);
  ring.push(Float32Array.of(1, 2, 3));
  expect([...ring.last(10)]).toEqual([1, 2, 3]);
  ring.push(Float32Array.of(4, 5, 6));
  expect([...ring.last(10)]).toEqual([3, 4, 5, 6]);
  expect([...ring.last(2)]).toEqual([5, 6]);
  expect(ring.count).toBe(6);
});

test("channels are averaged", () => {
  expect([...mono([Float32Array.of(1, 0.5), Float32Array.of(0, -0.5)])]).toEqual([0.5, 0]);
});
