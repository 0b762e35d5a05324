import { describe, expect, test } from "vitest";

import { readMetadata } from "../src/metadata";
import { isLongEnough, numFrames, rank, readModelInfo, type ModelInfo } from "../src/model";

const utf8 = (text: string) => [...new TextEncoder().encode(text)];
const bytesField = (field: number, content: number[]) =>
  [...varint(field * 8 + 2), ...varint(content.length), ...content];
const entry = (key: string, value: string) =>
  bytesField(14, [...bytesField(1, utf8(key)), ...bytesField(2, utf8(value))]);

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

const FRONT_END = {
  sample_rate: 32000, n_fft: 1024, hop: 512, num_mels: 128, f_min_hz: 50, f_max_hz: 16000, log_offset: 0.001,
};
const STUDENT = {
  "sondo.format": "1", "sondo.name": "tiny", "sondo.space_id": "a-b-c", "sondo.sample_rate": "32000",
  "sondo.embedding_dim": "384", "sondo.licence": "MIT", "sondo.front_end": JSON.stringify(FRONT_END),
};
const fileOf = (metadata: Record<string, string>) =>
  new Uint8Array(Object.entries(metadata).flatMap(([key, value]) => entry(key, value)));

describe("readMetadata", () => {
  test("finds entries between fields of every wire type", () => {
    const file = new Uint8Array([
      ...[0x08, 0x96, 0x01], // field 1, the number 150 of the protobuf guide
      ...bytesField(7, new Array(300).fill(0xff)), // a graph, which is not looked into
      ...entry("sondo.name", "tiny"),
      ...[0x11, 1, 2, 3, 4, 5, 6, 7, 8], // field 2, eight bytes
      ...[0x1d, 1, 2, 3, 4], // field 3, four bytes
      ...entry("sondo.classes", '["läuten"]'),
    ]);
    expect([...readMetadata(file)]).toEqual([["sondo.name", "tiny"], ["sondo.classes", '["läuten"]']]);
  });

  test("an entry without a value is empty", () => {
    const file = new Uint8Array(bytesField(14, bytesField(1, utf8("note"))));
    expect(readMetadata(file).get("note")).toBe("");
  });

  test.each([
    ["text", utf8("this is a text")],
    ["a field longer than the file", [0x72, 50, 1]],
    ["a number without an end", [0x08, 0x80]],
    ["field 0", [0x02, 0x00]],
  ])("refuses %s", (_, bytes) => {
    expect(() => readMetadata(new Uint8Array(bytes))).toThrow();
  });
});

describe("readModelInfo", () => {
  test("a student", () => {
    expect(readModelInfo(fileOf(STUDENT), "x.onnx")).toEqual({
      name: "tiny", spaceId: "a-b-c", licence: "MIT", sampleRate: 32000, embeddingDim: 384, frontEnd: FRONT_END,
      classes: [], multiLabel: false, thresholds: [],
    });
  });

  test("a classifier with several labels", () => {
    const head = { "sondo.classes": '["a","b"]', "sondo.multi_label": "true", "sondo.thresholds": "[0.3, 0.7]" };
    const info = readModelInfo(fileOf({ ...STUDENT, ...head }), "x.onnx");
    expect([info.classes, info.multiLabel, info.thresholds]).toEqual([["a", "b"], true, [0.3, 0.7]]);
  });

  test.each([
    [new Uint8Array(utf8("this is a text")), "x.onnx is no ONNX file"],
    [fileOf({ producer: "other" }), "not a file that `sondo export`"],
    [fileOf({ ...STUDENT, "sondo.format": "2" }), "in format 2, this page reads format 1"],
    [fileOf({ "sondo.format": "1", "sondo.name": "tiny" }), "lacks sondo.space_id, sondo.sample_rate"],
    [fileOf({ ...STUDENT, "sondo.front_end": "{" }), "metadata cannot be read"],
    [fileOf({ ...STUDENT, "sondo.classes": '["a","a"]' }), "its classes or their thresholds are damaged"],
    [fileOf({ ...STUDENT, "sondo.classes": '"ab"' }), "its classes or their thresholds are damaged"],
    [
      fileOf({ ...STUDENT, "sondo.classes": '["a"]', "sondo.multi_label": "true", "sondo.thresholds": "[7]" }),
      "its classes or their thresholds are damaged",
    ],
  ])("says what is wrong: %#", (file, message) => {
    expect(() => readModelInfo(file, "x.onnx")).toThrow(message);
  });
});

describe("rank", () => {
  const three = { classes: ["a", "b", "c"], multiLabel: false };
  const info = (values: Partial<ModelInfo>) => ({ ...three, ...values }) as ModelInfo;

  test("one label: the most probable is chosen, equals keep their order", () => {
    const found = rank([0.2, 0.4, 0.4], info({}));
    expect(found.map(({ label, isChosen }) => [label, isChosen])).toEqual([["b", true], ["c", false], ["a", false]]);
  });

  test("several labels: each that reaches its threshold", () => {
    const found = rank([0.2, 0.4, 0.4], info({ multiLabel: true, thresholds: [0.2, 0.5, 0.1] }));
    expect(found.filter(({ isChosen }) => isChosen).map(({ label }) => label)).toEqual(["c", "a"]);
  });
});

test("frames, and the shortest sound", () => {
  expect([1023, 1024, 1535, 1536, 320000].map((n) => numFrames(n, FRONT_END))).toEqual([0, 1, 1, 2, 624]);
  expect([3071, 3072].map((n) => isLongEnough(n, FRONT_END))).toEqual([false, true]); // five frames, as 0.1 s has
});
