/**
 * Writes ONNX models: as much of the format (onnx.proto3, IR version 8) as tiny models for tests need.
 * A graph is built node by node; tensors are referred to by name.
 */

export type Shape = readonly (number | string)[];

export interface Port {
  readonly name: string;
  readonly type: 'float' | 'int64' | 'int32';
  /** A string is a length that is only known when the model runs. */
  readonly shape: Shape;
}

type Attribute = number | readonly number[] | string;

interface Tensor {
  readonly dims: readonly number[];
  readonly values: readonly number[];
  readonly type: Port['type'];
}

const ELEMENT_TYPES = { float: 1, int32: 6, int64: 7 } as const;
const IR_VERSION = 8;
const OPSET_VERSION = 13;

export class OnnxModel {
  readonly #nodes: Buffer[] = [];
  readonly #initializers: Buffer[] = [];
  readonly #inputs: Buffer[] = [];
  readonly #outputs: Buffer[] = [];
  #names = 0;

  input(name: string, type: Port['type'], shape: Shape): string {
    this.#inputs.push(valueInfo({ name, type, shape }));
    return name;
  }

  /** Declares an output. `from` is the tensor that it is; by default the one of the same name. */
  output(name: string, type: Port['type'], shape: Shape, from?: string): void {
    if (from !== undefined) this.#nodes.push(node('Identity', [from], [name], {}));
    this.#outputs.push(valueInfo({ name, type, shape }));
  }

  constant(type: Port['type'], dims: readonly number[], values: readonly number[]): string {
    const name = this.#name();
    this.#initializers.push(tensor(name, { type, dims, values }));
    return name;
  }

  /** Adds a node with one output, and answers its name. An attribute that is a whole number is an INT; `{ float }` is for others. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const name = this.#name();
    this.#nodes.push(node(op, inputs, [name], attributes));
    return name;
  }

  /** The file. `metadata` are the properties that sherpa-onnx reads. */
  bytes(metadata: Readonly<Record<string, string | number>>): Buffer {
    const graph = Buffer.concat([
      ...this.#nodes.map((each) => field(1, each)),
      field(2, Buffer.from('tiny')),
      ...this.#initializers.map((each) => field(5, each)),
      ...this.#inputs.map((each) => field(11, each)),
      ...this.#outputs.map((each) => field(12, each)),
    ]);
    return Buffer.concat([
      integer(1, IR_VERSION),
      field(7, graph),
      field(8, integer(2, OPSET_VERSION)),
      ...Object.entries(metadata).map(([key, value]) => field(14, Buffer.concat([field(1, Buffer.from(key)), field(2, Buffer.from(String(value)))]))),
    ]);
  }

  #name(): string {
    this.#names += 1;
    return `t${String(this.#names)}`;
  }
}

function node(op: string, inputs: readonly string[], outputs: readonly string[], attributes: Readonly<Record<string, Attribute>>): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => field(1, Buffer.from(name))),
    ...outputs.map((name) => field(2, Buffer.from(name))),
    field(4, Buffer.from(op)),
    ...Object.entries(attributes).map(([name, value]) => field(5, attribute(name, value))),
  ]);
}

function attribute(name: string, value: Attribute): Buffer {
  const named = field(1, Buffer.from(name));
  if (typeof value === 'string') return Buffer.concat([named, field(4, Buffer.from(value)), integer(20, 3)]);
  if (typeof value === 'number') return Buffer.concat([named, integer(3, value), integer(20, 2)]);
  return Buffer.concat([named, ...value.map((each) => integer(8, each)), integer(20, 7)]);
}

function tensor(name: string, { type, dims, values }: Tensor): Buffer {
  const raw = type === 'float' ? Float32Array.from(values) : type === 'int32' ? Int32Array.from(values) : BigInt64Array.from(values.map(BigInt));
  return Buffer.concat([
    ...dims.map((dim) => integer(1, dim)),
    integer(2, ELEMENT_TYPES[type]),
    field(8, Buffer.from(name)),
    field(9, Buffer.from(raw.buffer)),
  ]);
}

function valueInfo({ name, type, shape }: Port): Buffer {
  const dims = shape.map((dim) => field(1, typeof dim === 'number' ? integer(1, dim) : field(2, Buffer.from(dim))));
  const tensorType = Buffer.concat([integer(1, ELEMENT_TYPES[type]), field(2, Buffer.concat(dims))]);
  return Buffer.concat([field(1, Buffer.from(name)), field(2, field(1, tensorType))]);
}

/** A length-delimited field of protobuf. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function integer(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  // Negative numbers are 64-bit two's complement.
  for (let left = BigInt.asUintN(64, BigInt(value)); ; left >>= 7n) {
    if (left < 128n) {
      bytes.push(Number(left));
      return Buffer.from(bytes);
    }
    bytes.push(Number(left & 127n) | 128);
  }
}
