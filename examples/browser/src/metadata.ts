/**
 * The metadata of an ONNX file, which onnxruntime-web does not hand out: a ModelProto's field 14, repeated
 * StringStringEntryProto { string key = 1; string value = 2; }. Everything else is stepped over unread.
 */

const METADATA_PROPS = 14;
const KEY = 1;
const VALUE = 2;
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export class NotProtobufError extends Error {}

/** Keys and values of an ONNX file, in a map. @throws NotProtobufError where the bytes are no ModelProto. */
export function readMetadata(file: Uint8Array): Map<string, string> {
  const metadata = new Map<string, string>();
  for (const [field, content] of fields(file)) {
    if (field !== METADATA_PROPS || content === null) continue;
    const entry = new Map([...fields(content)].map(([inner, bytes]) => [inner, text(bytes)]));
    metadata.set(entry.get(KEY) ?? "", entry.get(VALUE) ?? "");
  }
  return metadata;
}

/** Number and content of each field of a message; null for the content of fields that are numbers. */
function* fields(message: Uint8Array): Generator<[number, Uint8Array | null]> {
  let at = 0;

  function varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= message.length || scale > 2 ** 63) throw new NotProtobufError("a number without an end");
      const byte = message[at++];
      value += (byte & 127) * scale; // no shifts: a graph may be longer than 2^31 bytes
      if (byte < 128) return value;
    }
  }

  while (at < message.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const kind = tag % 8;
    if (field === 0) throw new NotProtobufError("field 0");
    let content: Uint8Array | null = null;
    if (kind === VARINT) varint();
    else if (kind === FIXED64) at += 8;
    else if (kind === FIXED32) at += 4;
    else if (kind === BYTES) {
      const length = varint();
      content = message.subarray(at, at + length);
      at += length;
    } else throw new NotProtobufError(`wire type ${kind}`);
    if (at > message.length) throw new NotProtobufError("a field that is longer than the file");
    yield [field, content];
  }
}

function text(bytes: Uint8Array | null): string {
  if (bytes === null) throw new NotProtobufError("an entry that is no text");
  return new TextDecoder().decode(bytes);
}
