// SPDX-License-Identifier: Apache-2.0
/**
 * Decoder and encoder of `.gtc` streams in one module without dependencies, for browsers and Node 18+.
 *
 *     const codec = openCodec(bytes of codec.bin);
 *     const small = codec.preview(stream, 8);                  // from the beginning of a stream
 *     const decoded = codec.decode(stream);                    // integers, equal on every machine
 *     const stream = codec.encode({data, width, height}, 50);  // RGB or RGBA bytes, quality
 *     const seen = codec.encode({data, width, height}, 50, {tune: "visual"});
 *
 *     const bundle = await loadBundle("bundle/", ort);         // with ONNX Runtime
 *     const pixels = await bundle.decompress(stream, {realism: 1});
 *
 * Everything that decides bits is the arithmetic of `gan_tfc/coding`, whose files are the specification:
 * container, codec_file, range_coder, steps, contexts, integer_network, scan, lifting, noise. Numbers of
 * JavaScript are doubles: exact for integers below 2^53, and rounded alike by every engine in
 * + - * / and sqrt, so no other operation takes part in what a decoder must repeat.
 *
 * Arrays are flat, in C order: rows, columns, channels. Pictures of the scan count 1/64 step.
 */

const BANDS = 9;
const PLANES = 3;
const CONTEXT_CHANNELS = 14;
const SCALE_INDEXES = 64;
const SECTIONS = 4;
const MAX_STEP_CODE = 2047;
const TABLE_ROWS = 85;
const PATCH = 4;

/** Every failure that a caller or a file can cause; `kind` tells them apart. */
export class GtcError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "GtcError";
    this.kind = kind;
  }
}

const AGAIN = "fetch the file again.";
const damaged = (message) => new GtcError("corrupt", message);
const truncated = (message) => new GtcError("truncated", message);
const badBundle = (message) => new GtcError("bundle", `${message}; copy the bundle again.`);
const badInput = (message) => new GtcError("input", message);

function asBytes(data, what) {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw badInput(`Expected the bytes of ${what}, received ${typeof data}; pass a Uint8Array.`);
}

const hex = (bytes, separator = "") => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);
const ascii = (bytes) => String.fromCharCode(...bytes);
const clamp = (value, low, high) => (value < low ? low : value > high ? high : value);

// --- checksums -------------------------------------------------------------------------------------

const CRC32_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  for (let bit = 0; bit < 8; bit++) index = index & 1 ? (index >>> 1) ^ 0xedb88320 : index >>> 1;
  return index;
});

/** The CRC-32 of zip and PNG. */
export function crc32(bytes, end = bytes.length) {
  let crc = 0xffffffff;
  for (let i = 0; i < end; i++) crc = CRC32_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function crc16(bytes, end) {
  let crc = 0xffff;
  for (let i = 0; i < end; i++) {
    crc ^= bytes[i] << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
  }
  return crc;
}

// --- container -------------------------------------------------------------------------------------

const MAGIC = "GTC";
const FORMAT_VERSION = 1;
const MAX_NAME_BYTES = 32;
const MAX_SECTIONS = 16;
const MAX_SIDE = 65536;
const MAX_PIXELS = 2 ** 28;
const PRESET_NAME = /^[a-z_][a-z0-9_]{0,31}$/;
const OTHER_FILES = [
  [/^\x89PNG/, "PNG"],
  [/^\xff\xd8\xff/, "JPEG"],
  [/^RIFF[^]{4}WEBP/, "WebP"],
  [/^GIF8/, "GIF"],
  [/^[^]{4}ftypavi[fs]/, "AVIF"],
  [/^[^]{4}ftyp(heic|heix|mif1)/, "HEIF"],
  [/^(II\*\0|MM\0\*)/, "TIFF"],
];

/** A cursor over a header that refuses to run past the end of the data. */
class HeaderReader {
  constructor(data, position) {
    this.data = data;
    this.position = position;
  }

  take(count) {
    const end = this.position + count;
    if (end > this.data.length) {
      throw truncated(
        `Expected at least ${end} bytes for the header of the stream, received ${this.data.length}; ${AGAIN}`,
      );
    }
    const taken = this.data.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  byte() {
    return this.take(1)[0];
  }

  inRange(low, high, what) {
    const value = this.byte();
    if (value < low || value > high) {
      throw damaged(`Expected a ${what} from ${low} to ${high}, the stream has ${value}; ${AGAIN}`);
    }
    return value;
  }

  leb128() {
    let value = 0;
    for (let digit = 0; digit < 5; digit++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * digit);
      if (byte < 0x80) {
        if (value >= 2 ** 32 || (byte === 0 && digit > 0)) break;
        return value;
      }
    }
    throw damaged(
      `Expected the shortest LEB128 encoding of a number below 2^32 before byte ${this.position}, ` +
        `found another; ${AGAIN}`,
    );
  }
}

function checkMagic(data) {
  const start = ascii(data.subarray(0, 12));
  if (start.startsWith(MAGIC)) return;
  if (start && MAGIC.startsWith(start)) {
    throw truncated(`Expected the 3 bytes of a stream's magic, received ${start.length}; ${AGAIN}`);
  }
  const known = OTHER_FILES.find(([pattern]) => pattern.test(start));
  const [came, mend] = known
    ? [`what looks like a ${known[1]} file`, "pictures can be compressed, not decoded."]
    : [start ? `data starting with ${hex(data.subarray(0, 4), " ")}` : "no data at all", "choose a .gtc file."];
  throw new GtcError("not-a-stream", `Expected a .gtc stream, which begins with "GTC", received ${came}; ${mend}`);
}

function checkHeaderValues({ preset, presetVersion, width, height }, error) {
  if (!PRESET_NAME.test(preset)) {
    throw error(
      `Expected a preset name of 1 to ${MAX_NAME_BYTES} characters a..z, 0..9 and _, received ` +
        `${JSON.stringify(preset)}; rename the preset.`,
    );
  }
  if (!(presetVersion >= 1 && presetVersion < 2 ** 32)) {
    throw error(`Expected a preset version of 1 or more, received ${presetVersion}; number versions from 1.`);
  }
  if (Math.min(width, height) < 1) {
    throw error(`Expected at least 1 pixel a side, received ${width} x ${height}; pass a picture that is not empty.`);
  }
  if (Math.max(width, height) > MAX_SIDE || width * height > MAX_PIXELS) {
    throw new GtcError(
      "too-large",
      `Expected at most ${MAX_SIDE} pixels a side and ${MAX_PIXELS} in all, received ${width} x ${height}; ` +
        "code it in tiles.",
    );
  }
}

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/**
 * The header from the beginning of a stream; the payload need not be there, 142 bytes always suffice.
 *
 * @returns {{preset, presetVersion, tablesDigest: Uint8Array, width, height, stepCode,
 *   sectionLengths: number[], headerBytes: number, streamBytes: number}}
 */
export function parseHeader(stream) {
  const data = asBytes(stream, "a .gtc stream");
  checkMagic(data);
  const reader = new HeaderReader(data, MAGIC.length);
  const [version, flags] = [reader.byte(), reader.byte()];
  if (version !== FORMAT_VERSION || flags !== 0) {
    throw new GtcError(
      "unsupported",
      `Expected .gtc format version ${FORMAT_VERSION} with flags 0, the stream has version ${version} with ` +
        `flags ${flags}; use a newer gtc.js.`,
    );
  }
  const preset = ascii(reader.take(reader.inRange(1, MAX_NAME_BYTES, "name length")));
  const presetVersion = reader.leb128();
  const tablesDigest = reader.take(4).slice();
  const [width, height] = [reader.leb128(), reader.leb128()];
  const [high, low] = reader.take(2);
  const sectionLengths = Array.from({ length: reader.inRange(1, MAX_SECTIONS, "section count") }, () =>
    reader.leb128(),
  );
  const computed = crc16(data, reader.position);
  const [storedHigh, storedLow] = reader.take(2);
  const stored = storedHigh * 256 + storedLow;
  if (stored !== computed) {
    const [found, wanted] = [computed, stored].map((crc) => crc.toString(16).padStart(4, "0"));
    throw damaged(`Expected CRC-16 ${wanted} of the stream's header, found ${found}; ${AGAIN}`);
  }
  const header = { preset, presetVersion, tablesDigest, width, height, stepCode: high * 256 + low, sectionLengths };
  checkHeaderValues(header, damaged);
  header.headerBytes = reader.position;
  header.streamBytes = reader.position + total(sectionLengths) + 4;
  return header;
}

/** Bytes needed from the start of a stream to decode its first `count` sections. */
export function prefixLength(header, count) {
  return header.headerBytes + total(header.sectionLengths.slice(0, count));
}

function splitSections(data, header, count) {
  let at = header.headerBytes;
  return header.sectionLengths.slice(0, count).map((length) => data.subarray(at, (at += length)));
}

/** A complete stream, all of it checked -> its header and the payload of every section. */
export function unpack(stream) {
  const data = asBytes(stream, "a .gtc stream");
  const header = parseHeader(data);
  const expected = header.streamBytes;
  if (data.length < expected) {
    throw truncated(`Expected ${expected} bytes of stream, received ${data.length}; ${AGAIN}`);
  }
  if (data.length > expected) {
    throw damaged(
      `Expected ${expected} bytes of stream, received ${data.length}; cut off what follows its end or ${AGAIN}`,
    );
  }
  const computed = crc32(data, expected - 4);
  const stored = view(data).getUint32(expected - 4);
  if (stored !== computed) {
    const [found, wanted] = [computed, stored].map((crc) => crc.toString(16).padStart(8, "0"));
    throw damaged(`Expected CRC-32 ${wanted} of the stream, found ${found}; ${AGAIN}`);
  }
  return { header, sections: splitSections(data, header) };
}

/** The first sections of a stream or of a prefix of one, for previews; what follows is not looked at. */
export function unpackPrefix(stream, count) {
  const data = asBytes(stream, "a .gtc stream");
  const header = parseHeader(data);
  const expected = prefixLength(header, count);
  if (data.length < expected) {
    throw truncated(
      `Expected ${expected} bytes for the first ${count} sections, received ${data.length}; ` +
        "read more of the file or ask for a smaller picture.",
    );
  }
  return { header, sections: splitSections(data, header, count) };
}

/** Header fields and payloads -> a complete stream. */
export function pack({ preset, presetVersion, tablesDigest, width, height, stepCode }, sections) {
  checkHeaderValues({ preset, presetVersion, width, height }, badInput);
  const fields = [...MAGIC].map((letter) => letter.charCodeAt(0));
  const leb128 = (value) => {
    for (; value >= 0x80; value = Math.floor(value / 0x80)) fields.push((value % 0x80) | 0x80);
    fields.push(value);
  };
  fields.push(FORMAT_VERSION, 0, preset.length, ...[...preset].map((letter) => letter.charCodeAt(0)));
  leb128(presetVersion);
  fields.push(...tablesDigest);
  leb128(width);
  leb128(height);
  fields.push(stepCode >> 8, stepCode & 255, sections.length);
  for (const section of sections) leb128(section.length);
  const crc = crc16(fields, fields.length);
  fields.push(crc >> 8, crc & 255);
  const stream = new Uint8Array(fields.length + total(sections.map((section) => section.length)) + 4);
  stream.set(fields);
  let at = fields.length;
  for (const section of sections) {
    stream.set(section, at);
    at += section.length;
  }
  view(stream).setUint32(at, crc32(stream, at));
  return stream;
}

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// --- steps -----------------------------------------------------------------------------------------

const BASE_STEP = 2 / 255;
const COARSEST_CODE = 1752;
const FINEST_CODE = 150;
const OCTAVE_BITS = 15;

// round(2^(i / 256) * 2^15) by multiplication alone: engines differ in pow. The nearest product is 0.004
// away from where it would round differently, a billion times the error of 256 multiplications.
export const OCTAVE = new Int32Array(256);
for (let i = 0, power = 2 ** OCTAVE_BITS; i < 256; i++, power *= 1.0027112750502025) {
  OCTAVE[i] = Math.floor(power + 0.5);
}

/** The quantiser step of a code, for pixels in [0, 1]. */
export const stepSize = (code) => BASE_STEP * 2 ** (code / 256);

/** Quality 1..100 -> step code, evenly spaced on the logarithmic grid. */
export function qualityToCode(quality) {
  if (!(typeof quality === "number" && quality >= 1 && quality <= 100)) {
    throw badInput(`Expected a quality from 1 to 100, received ${quality}.`);
  }
  return roundHalfEven(COARSEST_CODE + ((quality - 1) * (FINEST_CODE - COARSEST_CODE)) / 99);
}

/** The quality, to two decimals, that `qualityToCode` maps to `code`. */
export function codeToQuality(code) {
  return Number((1 + ((code - COARSEST_CODE) * 99) / (FINEST_CODE - COARSEST_CODE)).toFixed(2));
}

function roundHalfEven(value) {
  const rounded = Math.floor(value + 0.5);
  return value + 0.5 === rounded && rounded % 2 ? rounded - 1 : rounded;
}

const coarsestOctave = (code) => Math.max(2, (code + 128) >> 8);
const coarsestStepSize = (code) => BASE_STEP * 2 ** coarsestOctave(code);

/** Symbols of the coarsest band -> 1/64 of the stream's step. */
function coarsestToFixed(symbols, code) {
  const exponent = 256 * coarsestOctave(code) - code;
  const scale = OCTAVE[exponent & 255] * 2 ** (8 + (exponent >> 8));
  return Int32Array.from(symbols, (symbol) => Math.floor((symbol * scale + 65536) / 131072));
}

// --- codec.bin -------------------------------------------------------------------------------------

const CODEC_MAGIC = "GTCB";
const CODEC_HEADER_BYTES = 80;
const MAX_LEVELS = 12;
const SHIFTS = { trunk_in: 7, trunk: 7, first_head: 11, known: 7, second_head: 11 };

/** [name, kernel size, inputs, outputs] in the order of the file; mix alone has no bias. */
const layersOf = (features) => [
  ["trunk_in", 3, CONTEXT_CHANNELS, features],
  ["trunk", 3, features, features],
  ["first_head", 1, features, 2 * BANDS],
  ["known", 3, BANDS + 1, features],
  ["mix", 1, features, features],
  ["second_head", 1, features, 2 * BANDS],
];

/** Takes numbers from a file, one after another, and refuses to run past its end. */
class FileReader {
  constructor(data, position) {
    this.data = data;
    this.view = view(data);
    this.position = position;
  }

  take(count, bytes, read) {
    const start = this.position;
    const end = start + count * bytes;
    if (end > this.data.length - 4) {
      throw badBundle(`Expected at least ${end + 4} bytes in codec.bin, received ${this.data.length}`);
    }
    this.position = end;
    return Int32Array.from({ length: count }, (_, index) => read(start + index * bytes));
  }

  int32(count) {
    return this.take(count, 4, (at) => this.view.getInt32(at, true));
  }

  uint16(count) {
    return this.take(count, 2, (at) => this.view.getUint16(at, true));
  }

  int8(count) {
    return this.take(count, 1, (at) => this.view.getInt8(at));
  }

  finish() {
    const end = this.position + (-this.position & 3) + 4;
    if (this.data.length !== end) {
      throw badBundle(`Expected ${end} bytes in codec.bin, received ${this.data.length}`);
    }
  }
}

function codecHeader(data) {
  if (data.length < CODEC_HEADER_BYTES + 4 || ascii(data.subarray(0, 4)) !== CODEC_MAGIC) {
    throw badBundle(
      `Expected a codec.bin, which begins with ${CODEC_MAGIC}, received ${data.length} bytes that begin with ` +
        `${hex(data.subarray(0, 4), " ") || "nothing"}`,
    );
  }
  if (data[4] !== 1) {
    throw new GtcError(
      "bundle",
      `Expected a codec.bin of format version 1, this one has ${data[4]}; use a newer gtc.js.`,
    );
  }
  const numbers = view(data);
  const [computed, stored] = [crc32(data, data.length - 4), numbers.getUint32(data.length - 4, true)];
  if (computed !== stored) {
    throw badBundle(
      `Expected CRC-32 ${stored.toString(16).padStart(8, "0")} of codec.bin, found ` +
        computed.toString(16).padStart(8, "0"),
    );
  }
  const header = {
    levels: data[5],
    digest: data.slice(8, 12),
    version: numbers.getUint32(12, true),
    rows: numbers.getUint32(16, true),
    phase: data.slice(20, 29),
    preset: ascii(data.subarray(32, 32 + data[6])),
    features: data.slice(64, 64 + MAX_LEVELS),
  };
  const named = data[6] >= 1 && data[6] <= MAX_NAME_BYTES && PRESET_NAME.test(header.preset) && header.version >= 1;
  if (header.phase.some((bit) => bit > 1) || !named) {
    throw badBundle("Expected phases 0 or 1, a name and a version of 1 or more in codec.bin, found others");
  }
  const { rows, levels, features } = header;
  if (rows !== TABLE_ROWS || levels < 1 || levels > MAX_LEVELS || features.subarray(0, levels).includes(0)) {
    throw badBundle(
      `Expected ${TABLE_ROWS} rows of tables and 1 to ${MAX_LEVELS} networks in codec.bin, found ${rows} and ` +
        `${levels} with ${features.join(" ")} features`,
    );
  }
  return header;
}

/** Offset, precision and CDF of a row of the coding tables; |P| below 0 in the file means an escape. */
function checkedRow({ offset, indexes, header }, inner, number) {
  const precision = Math.abs(header);
  const cdf = Int32Array.of(...inner, 2 ** precision);
  const rises = cdf.every((value, index) => (index ? value > cdf[index - 1] : value === 0));
  if (precision < 1 || precision > 16 || indexes < 1 || !rises || Math.abs(offset) > 2 ** 29) {
    throw badBundle(`Expected row ${number} of codec.bin to rise strictly from 0 to 2^1..2^16, found another`);
  }
  return { offset, precision, cdf, hasEscape: header < 0 };
}

/** Refuses a network whose accumulators could leave the integers that float32 holds exactly. */
function checkBounds(layers) {
  for (const [name, shift] of Object.entries(SHIFTS)) {
    const summed = name === "known" ? [layers.known, layers.mix] : [layers[name]];
    layers[name].bias.forEach((bias, output) => {
      let weight = 0;
      for (const { kernel, outputs } of summed) {
        for (let i = output; i < kernel.length; i += outputs) weight += Math.abs(kernel[i]);
      }
      const worst = 255 * weight + Math.abs(bias) + 2 ** (shift - 1);
      if (worst >= 2 ** 24) {
        throw badBundle(`Expected accumulators below 2^24 in ${name} of codec.bin, its weights allow ${worst}`);
      }
    });
  }
}

function readCodecFile(data) {
  const header = codecHeader(data);
  const reader = new FileReader(data, CODEC_HEADER_BYTES);
  const rows = Array.from({ length: header.rows }, () => {
    const [offset, indexes] = [reader.int32(1)[0], reader.uint16(1)[0]];
    const [sign] = reader.int8(2);
    return { offset, indexes, header: sign };
  });
  const networks = Array.from({ length: header.levels }, (_, level) => {
    const layers = {};
    for (const [name, size, inputs, outputs] of layersOf(header.features[level])) {
      layers[name] = { size, inputs, outputs, bias: name === "mix" ? null : reader.int32(outputs) };
    }
    return layers;
  });
  const inner = rows.map((row) => reader.uint16(row.indexes));
  for (const layers of networks) {
    for (const [name, layer] of Object.entries(layers)) {
      layer.kernel = reader.int8(layer.size ** 2 * layer.inputs * layer.outputs);
      if (layer.kernel.includes(-128)) {
        throw badBundle(`Expected weights from -127 in ${name} of codec.bin, found -128`);
      }
    }
  }
  reader.finish();
  const tables = rows.map((row, number) => checkedRow(row, inner[number], number));
  networks.forEach(checkBounds);
  return { ...header, tables, networks };
}

// --- range coder -----------------------------------------------------------------------------------

const MAX_GAMMA_BITS = 30;
const TO_WORD = 2 ** -16;
const ONE = 65536;

/** Coding tables laid out for the coder: all rows scaled to 2^16, one after another. */
class CoderTables {
  constructor(rows) {
    this.rows = rows;
    const starts = [];
    let size = 0;
    for (const { cdf } of rows) {
      starts.push(size);
      size += cdf.length;
    }
    this.cdf = new Float64Array(size);
    this.start = Int32Array.from(starts);
    this.offset = Int32Array.from(rows, (row) => row.offset);
    /** Index of the escape, or -1; symbols from `symbols` on cannot be coded without one. */
    this.escape = Int32Array.from(rows, ({ cdf, hasEscape }) => (hasEscape ? cdf.length - 2 : -1));
    this.symbols = Int32Array.from(rows, ({ cdf }) => cdf.length - 1);
    /** Position in `cdf` of the likeliest index of each row. */
    this.likely = new Int32Array(rows.length);
    /** For each row and high byte of a number of 16 bits, the index that the lowest such number falls to. */
    this.lookup = new Uint16Array(256 * rows.length);
    rows.forEach((row, number) => this.#layOut(row, number));
  }

  #layOut({ cdf, precision }, number) {
    const start = this.start[number];
    const scaled = this.cdf.subarray(start, start + cdf.length);
    scaled.set(cdf.map((value) => value * 2 ** (16 - precision)));
    let likely = 0;
    for (let i = 1; i < cdf.length - 1; i++) {
      if (cdf[i + 1] - cdf[i] > cdf[likely + 1] - cdf[likely]) likely = i;
    }
    this.likely[number] = start + likely;
    for (let byte = 0, index = 0; byte < 256; byte++) {
      while (scaled[index + 1] <= 256 * byte) index++;
      this.lookup[256 * number + byte] = index;
    }
  }

  /** Bits of the integers -reach..reach in every row, as the coder spends them. */
  costs(reach) {
    return this.rows.map(({ offset, precision, cdf, hasEscape }, row) => {
      const bits = (index) => precision - Math.log2(cdf[index + 1] - cdf[index]);
      const end = hasEscape ? this.escape[row] : this.symbols[row];
      return Float64Array.from({ length: 2 * reach + 1 }, (_, at) => {
        const index = at - reach - offset;
        if (index >= 0 && index < end) return bits(index);
        return hasEscape ? bits(end) + 2 * binaryDigits(index < 0 ? -index : index - end + 1) : Infinity;
      });
    });
  }
}

const binaryDigits = (number) => 32 - Math.clz32(number);

/** Reads one section; see `gan_tfc/coding/range_coder.py` for the arithmetic. */
export class RangeDecoder {
  constructor(tables, data) {
    this.tables = tables;
    this.data = data;
    this.position = 0;
    this.size = 2 ** 32;
    this.distance = this.#word() * ONE;
    this.distance += this.#word();
  }

  /** Reads `count` integers of the distributions `rows` into `symbols`. */
  decode(rows, symbols, count) {
    const { cdf, start, lookup, offset, escape, likely } = this.tables;
    let { distance, size } = this;
    for (let i = 0; i < count; i++) {
      const row = rows[i];
      let at = likely[row];
      let low = Math.floor(size * cdf[at] * TO_WORD);
      let high = Math.floor(size * cdf[at + 1] * TO_WORD);
      if (distance < low || distance >= high) {
        // low <= distance < high says cdf[v] <= target < cdf[v + 1].
        const target = Math.floor((distance * ONE + 65535) / size);
        at = start[row] + lookup[(row << 8) | (target >> 8)];
        while (cdf[at + 1] <= target) at++;
        low = Math.floor(size * cdf[at] * TO_WORD);
        high = Math.floor(size * cdf[at + 1] * TO_WORD);
      }
      distance -= low;
      size = high - low;
      let index = at - start[row];
      if (index === escape[row]) {
        this.distance = distance;
        this.size = size;
        index = this.#readEscape(index);
        ({ distance, size } = this);
      }
      symbols[i] = index + offset[row];
      if (size <= ONE) {
        distance = distance * ONE + this.#word();
        size *= ONE;
      }
    }
    this.distance = distance;
    this.size = size;
  }

  #word() {
    const at = this.position;
    this.position = at + 2;
    const { data } = this;
    return at + 1 < data.length ? data[at] * 256 + data[at + 1] : at < data.length ? data[at] * 256 : 0;
  }

  #bit() {
    if (this.size <= ONE) {
      this.distance = this.distance * ONE + this.#word();
      this.size *= ONE;
    }
    const half = Math.floor(this.size / 2);
    const bit = this.distance >= half;
    this.distance -= bit ? half : 0;
    this.size = bit ? this.size - half : half;
    return bit ? 1 : 0;
  }

  #readEscape(escape) {
    let digits = 1;
    while (!this.#bit()) {
      if (++digits > MAX_GAMMA_BITS) {
        throw damaged(`Expected at most ${MAX_GAMMA_BITS} binary digits in an escape code, found more; ${AGAIN}`);
      }
    }
    let gamma = 1;
    for (; digits > 1; digits--) gamma = (gamma << 1) | this.#bit();
    return this.#bit() ? -gamma : gamma + escape - 1;
  }
}

/** Writes one section. */
export class RangeEncoder {
  constructor(tables) {
    this.tables = tables;
    this.base = 0;
    this.size = 2 ** 32;
    this.words = new Uint16Array(1024);
    this.length = 0;
  }

  /** Appends `count` integers of the distributions `rows`. */
  encode(symbols, rows, count) {
    const { cdf, start, offset, escape, symbols: sizes } = this.tables;
    for (let i = 0; i < count; i++) {
      const row = rows[i];
      const index = symbols[i] - offset[row];
      const last = escape[row];
      if (last < 0 ? index >= 0 && index < sizes[row] : index >= 0 && index < last) {
        this.#narrow(cdf[start[row] + index], cdf[start[row] + index + 1]);
      } else if (last >= 0) {
        this.#narrow(cdf[start[row] + last], cdf[start[row] + last + 1]);
        this.#writeEscape(index, last);
      } else {
        throw badInput(`Expected an integer that row ${row} can code, received ${symbols[i]}; use other tables.`);
      }
    }
  }

  /** Ends the section and returns it. */
  finish() {
    this.#carry();
    const { base, size, words } = this;
    let tail = [];
    if (base + size > 2 ** 32) {
      while (words[this.length - 1] === 0xffff) this.length--;
      const last = words[--this.length] + 1;
      tail = last & 255 ? [last >> 8, last & 255] : [last >> 8];
    } else if (base) {
      const high = Math.ceil(base / 2 ** 24);
      const both = Math.ceil(base / ONE);
      tail = high * 2 ** 24 < base + size ? [high] : [both >> 8, both & 255];
    }
    const bytes = new Uint8Array(2 * this.length + tail.length);
    for (let i = 0; i < this.length; i++) {
      bytes[2 * i] = words[i] >> 8;
      bytes[2 * i + 1] = words[i] & 255;
    }
    bytes.set(tail, 2 * this.length);
    return bytes;
  }

  #narrow(low, high) {
    const { size } = this;
    const from = Math.floor(size * low * TO_WORD);
    this.base += from;
    this.size = Math.floor(size * high * TO_WORD) - from;
    if (this.size <= ONE) {
      if (this.base >= 2 ** 32) this.#carry();
      this.#append(Math.floor(this.base * TO_WORD));
      this.base = (this.base % ONE) * ONE;
      this.size *= ONE;
    }
  }

  #append(word) {
    if (this.length === this.words.length) {
      const words = new Uint16Array(2 * this.length);
      words.set(this.words);
      this.words = words;
    }
    this.words[this.length++] = word;
  }

  #carry() {
    if (this.base < 2 ** 32) return;
    this.base -= 2 ** 32;
    let at = this.length - 1;
    while (this.words[at] === 0xffff) this.words[at--] = 0;
    this.words[at]++;
  }

  #writeEscape(index, escape) {
    const gamma = index < 0 ? -index : index - escape + 1;
    const digits = binaryDigits(gamma);
    const bit = (value) => (value ? this.#narrow(32768, ONE) : this.#narrow(0, 32768));
    for (let i = 1; i < digits; i++) bit(0);
    for (let i = digits - 1; i >= 0; i--) bit((gamma >> i) & 1);
    bit(index < 0);
  }
}

// --- contexts --------------------------------------------------------------------------------------

const MAX_MAGNITUDE = 8191;

// COMPRESS[m] = floor(18 asinh(m / 16) + 0.5) reaches v from m = 16 sinh((v - 0.5) / 18) on. The powers of
// e come by multiplication alone, since engines differ in asinh, sinh and exp; no m is nearer than 0.002
// to an integer. Negative magnitudes come first, and index 8191 is zero.
export const COMPRESS = new Int8Array(2 * MAX_MAGNITUDE + 1);
for (let v = 1, power = 1.0281671774377144; v <= 125; v++, power *= 1.0571277447602365) {
  const from = Math.ceil(8 * (power - 1 / power));
  COMPRESS.fill(v, MAX_MAGNITUDE + from);
  COMPRESS.fill(-v, 0, MAX_MAGNITUDE - from + 1);
}

const compress = (sixteenths) => COMPRESS[clamp(sixteenths, -MAX_MAGNITUDE, MAX_MAGNITUDE) + MAX_MAGNITUDE];

/** Rows `top`..`bottom` of a level's context, `(rows, width, 14)`. */
function contextOf({ picture, parents, height, width, code, level }, top, bottom) {
  const out = new Float32Array((bottom - top) * width * CONTEXT_CHANNELS);
  const vertical = new Int32Array(width * PLANES);
  const last = (width - 1) * PLANES;
  const lumaScale = OCTAVE[code & 255] * 2 ** (code >> 8);
  const lumaUnit = 2 ** (6 + OCTAVE_BITS + level + 1);
  for (let y = top, at = 0; y < bottom; y++) {
    const here = y * width * PLANES;
    const above = y > 0 ? here - width * PLANES : here;
    const below = y < height - 1 ? here + width * PLANES : here;
    for (let i = 0; i < vertical.length; i++) {
      vertical[i] = picture[above + i] + 2 * picture[here + i] + picture[below + i];
    }
    const parentRow = (y >> 1) * (width >> 1) * BANDS;
    for (let x = 0; x < width; x++, at += CONTEXT_CHANNELS) {
      if (parents) {
        const parent = parentRow + (x >> 1) * BANDS;
        for (let band = 0; band < BANDS; band++) out[at + band] = compress(4 * parents[parent + band]);
      }
      for (let plane = 0, i = x * PLANES; plane < PLANES; plane++, i++) {
        const before = i >= PLANES ? vertical[i - PLANES] : vertical[i];
        const after = i < last ? vertical[i + PLANES] : vertical[i];
        const blur = before + 2 * vertical[i] + after;
        out[at + 9 + plane] = compress((16 * picture[here + i] - blur + 32) >> 6);
      }
      const luma = Math.floor((picture[here + x * PLANES] * lumaScale) / lumaUnit + 0.5);
      out[at + 12] = clamp(luma, -127, 127);
      out[at + 13] = code >> 4;
    }
  }
  return out;
}

/** The bands that a pass codes at even positions and at odd ones. */
function bandsOfPasses(phase) {
  const bands = (wanted) => [...phase.keys()].filter((band) => phase[band] === wanted);
  const first = [bands(1), bands(0)];
  return [first, [first[1], first[0]]];
}

/** Known values of the second pass in rows `top`..`bottom`, `(rows, width, 10)`. */
function knownValues(values, width, bands, top, bottom) {
  const out = new Float32Array((bottom - top) * width * (BANDS + 1));
  for (let y = top, at = 0; y < bottom; y++) {
    for (let x = 0; x < width; x++, at += BANDS + 1) {
      const odd = (x + y) & 1;
      const from = (y * width + x) * BANDS;
      for (const band of bands[odd]) out[at + band] = compress(4 * values[from + band]);
      out[at + BANDS] = odd ? 64 : 0;
    }
  }
  return out;
}

// --- integer context networks ----------------------------------------------------------------------

// Two accumulators share a double, as low + high * 2^25: both stay below 2^24, so all sums stay below
// 2^50 and are exact, and one multiplication does the work of two.
const PAIR = 2 ** 25;

class Layer {
  constructor({ size, inputs, outputs, kernel, bias }, shifts) {
    this.size = size;
    this.inputs = inputs;
    this.pairs = PAIRS_AT_ONCE * Math.ceil(outputs / 2 / PAIRS_AT_ONCE);
    const taps = size * size * inputs;
    this.weights = new Float64Array(this.pairs * taps);
    for (let tap = 0; tap < taps; tap++) {
      for (let output = 0; output < outputs; output++) {
        const pair = output >> 1;
        const block = Math.floor(pair / PAIRS_AT_ONCE);
        const at = (block * taps + tap) * PAIRS_AT_ONCE + (pair % PAIRS_AT_ONCE);
        this.weights[at] += kernel[tap * outputs + output] * (output & 1 ? PAIR : 1);
      }
    }
    this.bias = new Float64Array(this.pairs);
    for (let output = 0; bias && output < outputs; output++) {
      const rounding = 2 ** (shifts(output) - 1);
      this.bias[output >> 1] += (bias[output] + rounding) * (output & 1 ? PAIR : 1);
    }
  }
}

const PAIRS_AT_ONCE = 3;
const PIXELS_AT_ONCE = 3;

/** Columns of an array that is read or written PIXELS_AT_ONCE columns at once. */
const roomy = (width) => width + PIXELS_AT_ONCE - 1;

/** Begins a row of sums `(width, pairs)` with the layer's biases. */
function begin(sums, layer) {
  for (let at = 0; at < sums.length; at += layer.pairs) sums.set(layer.bias, at);
}

/**
 * Adds a convolution of one row to `sums`.
 *
 * @param input numbers `(rows, columns, inputs)`, padded where the kernel reaches over the edge.
 * @param at first of the numbers under the kernel at column 0.
 * @param stride from a row of `input` to the next.
 */
function convolveRow(input, at, stride, layer, sums, width) {
  const { size, inputs, pairs, weights } = layer;
  const run = size * inputs;
  const second = inputs;
  const third = 2 * inputs;
  for (let x = 0; x < width; x += PIXELS_AT_ONCE) {
    let k = 0;
    for (let pair = 0; pair < pairs; pair += PAIRS_AT_ONCE) {
      const o = x * pairs + pair;
      const p = o + pairs;
      const q = p + pairs;
      let a0 = sums[o];
      let a1 = sums[o + 1];
      let a2 = sums[o + 2];
      let b0 = sums[p];
      let b1 = sums[p + 1];
      let b2 = sums[p + 2];
      let c0 = sums[q];
      let c1 = sums[q + 1];
      let c2 = sums[q + 2];
      for (let row = 0; row < size; row++) {
        let i = at + row * stride + x * inputs;
        for (const end = i + run; i < end; i++, k += PAIRS_AT_ONCE) {
          const a = input[i];
          const b = input[i + second];
          const c = input[i + third];
          const w0 = weights[k];
          a0 += a * w0;
          b0 += b * w0;
          c0 += c * w0;
          const w1 = weights[k + 1];
          a1 += a * w1;
          b1 += b * w1;
          c1 += c * w1;
          const w2 = weights[k + 2];
          a2 += a * w2;
          b2 += b * w2;
          c2 += c * w2;
        }
      }
      sums[o] = a0;
      sums[o + 1] = a1;
      sums[o + 2] = a2;
      sums[p] = b0;
      sums[p + 1] = b1;
      sums[p + 2] = b2;
      sums[q] = c0;
      sums[q + 1] = c1;
      sums[q + 2] = c2;
    }
  }
}

/** Sums of one row -> `target`, shifted by 7 and clipped to low..255, added to what is there. */
function requantiseRow(sums, layer, outputs, low, target, at, width) {
  for (let x = 0; x < width; x++, at += outputs) {
    for (let pair = 0, output = 0; output < outputs; pair++) {
      const sum = sums[x * layer.pairs + pair];
      const high = Math.floor(sum / PAIR + 0.5);
      target[at + output++] += clamp((sum - high * PAIR) >> 7, low, 255);
      if (output < outputs) target[at + output++] += clamp(high >> 7, low, 255);
    }
  }
}

/** Sums of one row of a head -> means and scale indexes. */
function parametersRow(sums, layer, means, scales, at, width) {
  const row = new Int32Array(2 * BANDS);
  for (let x = 0; x < width; x++, at += BANDS) {
    for (let pair = 0; pair < BANDS; pair++) {
      const sum = sums[x * layer.pairs + pair];
      row[2 * pair + 1] = Math.floor(sum / PAIR + 0.5);
      row[2 * pair] = sum - row[2 * pair + 1] * PAIR;
    }
    for (let band = 0; band < BANDS; band++) {
      means[at + band] = clamp(row[band] >> 11, -127, 127);
      scales[at + band] = clamp((row[BANDS + band] >> 9) + 20, 0, SCALE_INDEXES - 1);
    }
  }
}

/** `(height, width, channels)` with a border of zeros, as wide as `convolveRow` reads. */
function padded(data, height, width, channels) {
  const stride = roomy(width + 2) * channels;
  const out = new Float32Array((height + 2) * stride);
  for (let y = 0; data && y < height; y++) {
    const row = data.subarray(y * width * channels, (y + 1) * width * channels);
    out.set(row, (y + 1) * stride + channels);
  }
  return { out, stride };
}

/** One level's network; `gan_tfc.coding.integer_network.IntegerContextNetwork` draws the signal path. */
class ContextNetwork {
  constructor(layers) {
    this.features = layers.mix.outputs;
    const hidden = () => 7;
    const head = (output) => (output < BANDS ? 11 : 9);
    for (const [name, layer] of Object.entries(layers)) {
      this[name] = new Layer(layer, name.endsWith("head") ? head : hidden);
    }
  }

  /** Context `(height, width, 14)` -> features for `second`, means and scale indexes `(height, width, 9)`. */
  first({ context, height, width }) {
    const count = this.features;
    const input = padded(context, height, width, CONTEXT_CHANNELS);
    const hidden = padded(null, height, width, count);
    const sums = new Float64Array(roomy(width) * this.trunk.pairs);
    for (let y = 0; y < height; y++) {
      begin(sums, this.trunk_in);
      convolveRow(input.out, y * input.stride, input.stride, this.trunk_in, sums, width);
      requantiseRow(sums, this.trunk_in, count, 0, hidden.out, (y + 1) * hidden.stride + count, width);
    }
    const features = new Uint8Array(height * width * count);
    const [row, parameters] = [new Float32Array(roomy(width) * count), this.#parameters(height, width)];
    for (let y = 0; y < height; y++) {
      begin(sums, this.trunk);
      convolveRow(hidden.out, y * hidden.stride, hidden.stride, this.trunk, sums, width);
      const skipped = (y + 1) * hidden.stride + count;
      row.set(hidden.out.subarray(skipped, skipped + width * count));
      requantiseRow(sums, this.trunk, count, -255, row, 0, width);
      for (let i = 0; i < width * count; i++) row[i] = clamp(row[i], 0, 255);
      features.set(row.subarray(0, width * count), y * width * count);
      parameters.add(row, this.first_head, y);
    }
    return { features, means: parameters.means, scales: parameters.scales };
  }

  /** Features and known values `(height, width, 10)` -> means and scale indexes. */
  second({ features, known, height, width }) {
    const count = this.features;
    const input = padded(known, height, width, BANDS + 1);
    const sums = new Float64Array(roomy(width) * this.known.pairs);
    const [row, parameters] = [new Float32Array(roomy(width) * count), this.#parameters(height, width)];
    for (let y = 0; y < height; y++) {
      begin(sums, this.known);
      convolveRow(input.out, y * input.stride, input.stride, this.known, sums, width);
      row.set(features.subarray(y * width * count, (y + 1) * width * count));
      convolveRow(row, 0, 0, this.mix, sums, width);
      row.fill(0);
      requantiseRow(sums, this.known, count, 0, row, 0, width);
      parameters.add(row, this.second_head, y);
    }
    return { means: parameters.means, scales: parameters.scales };
  }

  #parameters(height, width) {
    const means = new Int8Array(height * width * BANDS);
    const scales = new Uint8Array(height * width * BANDS);
    const sums = new Float64Array(roomy(width) * this.first_head.pairs);
    const add = (row, head, y) => {
      begin(sums, head);
      convolveRow(row, 0, 0, head, sums, width);
      parametersRow(sums, head, means, scales, y * width * BANDS, width);
    };
    return { means, scales, add };
  }
}

// --- wavelet ---------------------------------------------------------------------------------------

const [ALPHA, BETA, GAMMA, DELTA] = [-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971];
const K = 1.149604398;
const LIMIT = 2 ** 22 - 1;
const [NEXT, PREVIOUS] = [1, -1];
const fixed = (value) => Math.floor(value * 65536 + 0.5);
const scaled = (value, factor) => Math.floor((value * factor + 32768) * TO_WORD);

/**
 * Subtracts `factor` / 2^16 times the sum of two neighbouring groups of `source` from each of `target`.
 *
 * Groups of `length` numbers stand one after another: pixels of a row, or rows of a plane. The group at
 * the end is its own neighbour.
 */
function lift(target, source, length, direction, factor) {
  const size = target.length;
  const offset = direction * length;
  const [from, to] = direction === NEXT ? [0, size - length] : [length, size];
  for (let i = from; i < to; i++) target[i] -= scaled(source[i] + source[i + offset], factor);
  const edge = direction === NEXT ? size - length : 0;
  for (let i = edge; i < edge + length; i++) target[i] -= scaled(2 * source[i], factor);
}

/** Undoes the lifting steps on groups of `even` and `odd` numbers, which hold low and high band. */
function unlift(even, odd, length) {
  const [inverse, direct] = [fixed(1 / K), fixed(K)];
  for (let i = 0; i < even.length; i++) {
    even[i] = scaled(even[i], inverse);
    odd[i] = scaled(odd[i], direct);
  }
  lift(even, odd, length, PREVIOUS, fixed(DELTA));
  lift(odd, even, length, NEXT, fixed(GAMMA));
  lift(even, odd, length, PREVIOUS, fixed(BETA));
  lift(odd, even, length, NEXT, fixed(ALPHA));
}

/** Low band and values of the details in 1/4 step -> the next finer picture, all in 1/64 step. */
function mergeLevel(lowLow, values, height, width) {
  const length = width * PLANES;
  const bands = [lowLow.slice(), ...Array.from({ length: 3 }, () => new Int32Array(height * length))];
  for (let i = 0, from = 0; i < height * length; i += PLANES, from += BANDS) {
    for (let plane = 0; plane < PLANES; plane++) {
      for (let band = 0; band < 3; band++) bands[band + 1][i + plane] = 16 * values[from + PLANES * band + plane];
    }
  }
  const [low, lowHigh, high, highHigh] = bands;
  unlift(low, lowHigh, length);
  unlift(high, highHigh, length);
  const picture = new Int32Array(4 * height * length);
  const [even, odd] = [new Int32Array(length), new Int32Array(length)];
  for (let y = 0; y < 2 * height; y++) {
    const from = (y >> 1) * length;
    even.set((y & 1 ? lowHigh : low).subarray(from, from + length));
    odd.set((y & 1 ? highHigh : high).subarray(from, from + length));
    unlift(even, odd, PLANES);
    for (let i = 0, at = 2 * y * length; i < length; i += PLANES, at += 2 * PLANES) {
      for (let plane = 0; plane < PLANES; plane++) {
        picture[at + plane] = clamp(even[i + plane], -LIMIT, LIMIT);
        picture[at + PLANES + plane] = clamp(odd[i + plane], -LIMIT, LIMIT);
      }
    }
  }
  return picture;
}

/** The float original of `lift`, which adds. */
function liftForward(target, source, length, direction, factor) {
  const size = target.length;
  const offset = direction * length;
  const [from, to] = direction === NEXT ? [0, size - length] : [length, size];
  for (let i = from; i < to; i++) target[i] += factor * (source[i] + source[i + offset]);
  const edge = direction === NEXT ? size - length : 0;
  for (let i = edge; i < edge + length; i++) target[i] += 2 * factor * source[i];
}

function liftGroups(even, odd, length) {
  liftForward(odd, even, length, NEXT, ALPHA);
  liftForward(even, odd, length, PREVIOUS, BETA);
  liftForward(odd, even, length, NEXT, GAMMA);
  liftForward(even, odd, length, PREVIOUS, DELTA);
  for (let i = 0; i < even.length; i++) {
    even[i] *= K;
    odd[i] /= K;
  }
}

/** Picture `(height, width, 3)` of even sides -> low band and details `(height / 2, width / 2, 9)`. */
function splitLevel(picture, height, width) {
  const length = (width / 2) * PLANES;
  const size = (height / 2) * length;
  const [low, lowHigh, high, highHigh] = Array.from({ length: 4 }, () => new Float32Array(size));
  const [even, odd] = [new Float32Array(length), new Float32Array(length)];
  for (let y = 0; y < height; y++) {
    for (let i = 0, from = 2 * y * length; i < length; i += PLANES, from += 2 * PLANES) {
      for (let plane = 0; plane < PLANES; plane++) {
        even[i + plane] = picture[from + plane];
        odd[i + plane] = picture[from + PLANES + plane];
      }
    }
    liftGroups(even, odd, PLANES);
    (y & 1 ? lowHigh : low).set(even, (y >> 1) * length);
    (y & 1 ? highHigh : high).set(odd, (y >> 1) * length);
  }
  liftGroups(low, lowHigh, length);
  liftGroups(high, highHigh, length);
  const details = new Float32Array(3 * size);
  for (let i = 0, at = 0; i < size; i += PLANES, at += BANDS) {
    for (let plane = 0; plane < PLANES; plane++) {
      details[at + plane] = lowHigh[i + plane];
      details[at + PLANES + plane] = high[i + plane];
      details[at + 2 * PLANES + plane] = highHigh[i + plane];
    }
  }
  return { low, details };
}

// --- colour ----------------------------------------------------------------------------------------

const [S3, S2, S6] = [3, 2, 6].map((number) => Math.fround(Math.sqrt(1 / number)));
/** Rows are red, green and blue; columns are luma and two chroma axes. */
const COLOUR = [S3, S2, S6, S3, 0, Math.fround(-2 * Math.sqrt(1 / 6)), S3, -S2, S6];

/** RGB or RGBA bytes -> luma and chroma of pixels in [-0.5, 0.5], padded by repeating the edge. */
function fromRgb({ data, width, height }, paddedWidth, paddedHeight) {
  const channels = data.length / (width * height);
  const out = new Float32Array(paddedWidth * paddedHeight * PLANES);
  for (let y = 0, at = 0; y < paddedHeight; y++) {
    for (let x = 0; x < paddedWidth; x++, at += PLANES) {
      const from = (Math.min(y, height - 1) * width + Math.min(x, width - 1)) * channels;
      const white = channels === 4 ? 255 - data[from + 3] : 0;
      const pixel = (channel) => {
        // What is transparent becomes white, in whole levels as everywhere else.
        const level = data[from + channel];
        return (white ? Math.floor((level * (255 - white) + 255 * white) / 255 + 0.5) : level) / 255 - 0.5;
      };
      const red = pixel(0);
      const green = pixel(1);
      const blue = pixel(2);
      for (let plane = 0; plane < PLANES; plane++) {
        out[at + plane] = red * COLOUR[plane] + green * COLOUR[3 + plane] + blue * COLOUR[6 + plane];
      }
    }
  }
  return out;
}

/** A window of luma and chroma that count `unit` -> RGB in about [-0.5, 0.5], `(height, width, 3)`. */
function toRgb(picture, pictureWidth, unit, { top, left, height, width }) {
  const out = new Float32Array(width * height * PLANES);
  const matrix = COLOUR.map((value) => Math.fround(value * Math.fround(unit)));
  for (let y = 0, at = 0; y < height; y++) {
    let from = ((top + y) * pictureWidth + left) * PLANES;
    for (let x = 0; x < width; x++, at += PLANES, from += PLANES) {
      const luma = picture[from];
      const first = picture[from + 1];
      const second = picture[from + 2];
      out[at] = luma * matrix[0] + first * matrix[1] + second * matrix[2];
      out[at + 1] = luma * matrix[3] + first * matrix[4] + second * matrix[5];
      out[at + 2] = luma * matrix[6] + first * matrix[7] + second * matrix[8];
    }
  }
  return out;
}

/** RGB in about [-0.5, 0.5] -> RGBA bytes, in a window of a picture of `targetWidth`. */
function putPixels(rgb, rgbWidth, window, target, targetWidth) {
  for (let y = 0; y < window.height; y++) {
    let from = ((window.fromTop + y) * rgbWidth + window.fromLeft) * PLANES;
    let at = ((window.top + y) * targetWidth + window.left) * 4;
    for (let x = 0; x < window.width; x++, from += PLANES, at += 4) {
      for (let channel = 0; channel < PLANES; channel++) {
        target[at + channel] = clamp(Math.floor((rgb[from + channel] + 0.5) * 255 + 0.5), 0, 255);
      }
      target[at + 3] = 255;
    }
  }
}

function pixelsOf(rgb, rgbWidth, width, height) {
  const data = new Uint8ClampedArray(width * height * 4);
  putPixels(rgb, rgbWidth, { fromTop: 0, fromLeft: 0, top: 0, left: 0, height, width }, data, width);
  return { data, width, height };
}

/** Pixels as an ImageData, where the platform has that class. */
export const toImageData = ({ data, width, height }) => new ImageData(data, width, height);

// --- scan ------------------------------------------------------------------------------------------

const COARSEST = -1;
const MAX_SYMBOL = 2 ** 17;
const HALO = 2;
const STRIP_POSITIONS = 1 << 15;

const sectionOf = (level) => (level === COARSEST ? 0 : Math.max(0, SECTIONS - 1 - level));
const clippedSymbol = (symbol) => clamp(symbol, -MAX_SYMBOL, MAX_SYMBOL);

const coarsestRow = (code) => SCALE_INDEXES + 3 * (coarsestOctave(code) - 2);

/**
 * The order of the symbols, coarse to fine, two checkerboard passes a level.
 *
 * Yields either `{step}`, the state after the coarsest band or one more level, or a question to a
 * network, `{level, pass, input}`, whose answer is to be passed to `next`: so one scan serves networks
 * that answer at once and those that answer later.
 *
 * @param model `{levels, phase}`.
 * @param source what has `coarsest(rows, count)` and `details(level, places, rows, means, count)`, both
 *   of which return integers.
 * @param until the level after which to stop.
 */
function* scan(model, height, width, code, source, until = 0) {
  let [rows, columns] = [height >> model.levels, width >> model.levels];
  const count = rows * columns * PLANES;
  const first = coarsestRow(code);
  const tableRows = Int32Array.from({ length: count }, (_, index) => first + (index % PLANES));
  let picture = coarsestToFixed(source.coarsest(tableRows, count).map(clippedSymbol), code);
  yield { step: { level: model.levels, picture, height: rows, width: columns, values: null, scales: null } };
  let parents = null;
  for (let level = model.levels - 1; level >= until; level--) {
    const state = { picture, parents, height: rows, width: columns, code, level };
    const { values, scales } = yield* scanLevel(model, state, source);
    picture = mergeLevel(picture, values, rows, columns);
    [rows, columns, parents] = [2 * rows, 2 * columns, values];
    yield { step: { level, picture, height: rows, width: columns, values, scales } };
  }
}

/** Strips of an even number of rows, with the rows around them that their networks see. */
function stripsOf(height, width) {
  const rows = 2 * Math.max(8, Math.floor(STRIP_POSITIONS / width / 2));
  const strips = [];
  for (let top = 0; top < height; top += rows) {
    const bottom = Math.min(top + rows, height);
    const [first, last] = [Math.max(0, top - HALO), Math.min(height, bottom + HALO)];
    strips.push({ top, bottom, first, last, height: last - first });
  }
  return strips;
}

function* scanLevel(model, state, source) {
  const { height, width, level } = state;
  const values = new Int32Array(height * width * BANDS);
  const scales = new Uint8Array(height * width * BANDS);
  const strips = stripsOf(height, width);
  const passes = bandsOfPasses(model.phase);
  for (const strip of strips) {
    const input = { context: contextOf(state, strip.first, strip.last), height: strip.height, width };
    const answer = yield { level, pass: "first", input };
    strip.features = answer.features;
    fillStrip(values, scales, strip, width, passes[0], answer, level, source);
  }
  for (const strip of strips) {
    const known = knownValues(values, width, passes[0], strip.first, strip.last);
    const input = { features: strip.features, known, height: strip.height, width };
    const answer = yield { level, pass: "second", input };
    strip.features = null;
    fillStrip(values, scales, strip, width, passes[1], answer, level, source);
  }
  return { values, scales };
}

/** Pulls the symbols of a pass in a strip from `source`, and puts their values into place. */
function fillStrip(values, scales, strip, width, bands, answer, level, source) {
  const size = Math.ceil(((strip.bottom - strip.top) * width * BANDS + BANDS) / 2) + BANDS;
  const [places, rows, means] = [new Int32Array(size), new Uint8Array(size), new Int8Array(size)];
  let count = 0;
  const shift = strip.first * width * BANDS;
  for (let y = strip.top; y < strip.bottom; y++) {
    for (let x = 0, at = y * width * BANDS; x < width; x++, at += BANDS) {
      for (const band of bands[(x + y) & 1]) {
        const place = at + band;
        const row = answer.scales[place - shift];
        const mean = answer.means[place - shift];
        scales[place] = row;
        if (row) {
          places[count] = place;
          rows[count] = row;
          means[count++] = mean;
        } else {
          values[place] = mean;
        }
      }
    }
  }
  const symbols = source.details(level, places, rows, means, count);
  for (let i = 0; i < count; i++) values[places[i]] = 4 * clippedSymbol(symbols[i]) + means[i];
}

/** Reads symbols from the sections of a stream. */
class DecodingSource {
  constructor(tables, sections) {
    this.decoders = sections.map((section) => new RangeDecoder(tables, section));
  }

  coarsest(rows, count) {
    return this.#read(COARSEST, rows, count);
  }

  details(level, places, rows, means, count) {
    return this.#read(level, rows, count);
  }

  #read(level, rows, count) {
    const symbols = new Int32Array(count);
    this.decoders[sectionOf(level)].decode(rows, symbols, count);
    return symbols;
  }
}

// --- encoder ---------------------------------------------------------------------------------------

/** Distortion, in steps squared, that one bit is worth; see `gan_tfc/coding/quantiser.py`. */
const RATE_WEIGHT = 0.11;
const REACH = 15;

/** What an encoder may aim at: squared error alone, or what is seen of it. */
export const TUNES = ["psnr", "visual"];

// Of `gan_tfc/coding/visibility.py`: C2 / 2 of structural similarity, the variance at which a bit weighs as
// much as it does without factors, the share of the variance at the next coarser scale, and the limits.
const [FLAT, MIDDLE, COARSER, MIN_FACTOR, MAX_FACTOR] = [29, 500, 0.5, 0.05, 3];

/** Means of each group of `length` numbers in a part of `source` and its two neighbours, the outer ones repeated. */
function blurGroups(source, target, start, size, length) {
  const last = start + size - length;
  for (let i = start; i < start + size; i++) {
    const before = source[i < start + length ? i : i - length];
    const after = source[i < last ? i + length : i];
    target[i] = (source[i] + before + after) / 3;
  }
}

/** Variances of grey levels 0..255 at the scale of a level: means of 3x3 places, `(height, width)`. */
function greyVariance(details, height, width, level) {
  const [variance, columns] = [new Float32Array(height * width), new Float32Array(height * width)];
  for (let i = 0, at = 0; i < variance.length; i++, at += BANDS) {
    // The bands of luma, which is orthonormal: grey has a third of its energy.
    variance[i] = details[at] ** 2 + details[at + PLANES] ** 2 + details[at + 2 * PLANES] ** 2;
  }
  blurGroups(variance, columns, 0, variance.length, width);
  for (let y = 0; y < height; y++) blurGroups(columns, variance, y * width, width, 1);
  const scale = 255 ** 2 / (4 * 3 * 4 ** level);
  for (let i = 0; i < variance.length; i++) variance[i] *= scale;
  return variance;
}

/**
 * How much more than usual bits weigh at each place of each level: 0.05 (smooth) to 3 (busy).
 *
 * @param details `(height, width, 9)` for each level, finest first.
 * @param height, width of the finest.
 */
function rateFactors(details, height, width) {
  let above = null;
  const variances = details.map((bands, level) => greyVariance(bands, height >> level, width >> level, level));
  for (let level = variances.length - 1; level >= 0; level--) {
    const [variance, columns] = [variances[level], width >> level];
    for (let i = 0; above && i < variance.length; i++) {
      const [y, x] = [Math.floor(i / columns), i % columns];
      variance[i] += COARSER * above[(y >> 1) * (columns >> 1) + (x >> 1)];
    }
    above = variance;
  }
  return variances.map((variance) => variance.map((x) => clamp((x + FLAT) / MIDDLE, MIN_FACTOR, MAX_FACTOR)));
}

/**
 * Of the nearest integer, the one next to it towards zero, and zero: the one that is worth its bits.
 *
 * @param weight distortion, in steps squared, that one bit is worth here.
 */
function quantise(residual, costs, weight) {
  const nearest = Math.floor(Math.abs(residual) + 0.5);
  if (nearest === 0 || nearest > REACH) return residual < 0 ? -nearest : nearest;
  const sign = residual < 0 ? -1 : 1;
  let [best, chosen] = [Infinity, 0];
  for (const candidate of [sign * nearest, sign * (nearest - 1), 0]) {
    const cost = (residual - candidate) ** 2 + weight * costs[candidate + REACH];
    if (cost < best) [best, chosen] = [cost, candidate];
  }
  return chosen;
}

/** Quantises a picture's bands pass by pass and writes the symbols. */
class EncodingSource {
  /** @param factors of the rate weight, `(height, width)` for each level, or null. */
  constructor(tables, costs, { coarsest, details }, code, factors) {
    this.costs = costs;
    this.factors = factors;
    this.bands = { coarsest, details };
    this.coarsestStep = coarsestStepSize(code);
    this.step = stepSize(code);
    this.encoders = Array.from({ length: SECTIONS }, () => new RangeEncoder(tables));
  }

  coarsest(rows, count) {
    const symbols = Int32Array.from(this.bands.coarsest, (x) => Math.floor(x / this.coarsestStep + 0.5));
    this.encoders[0].encode(symbols, rows, count);
    return symbols;
  }

  details(level, places, rows, means, count) {
    const latents = this.bands.details[level];
    const factors = this.factors?.[level];
    const symbols = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const weight = factors ? RATE_WEIGHT * factors[Math.floor(places[i] / BANDS)] : RATE_WEIGHT;
      symbols[i] = quantise(latents[places[i]] / this.step - means[i] / 4, this.costs[rows[i]], weight);
    }
    this.encoders[sectionOf(level)].encode(symbols, rows, count);
    return symbols;
  }

  finish() {
    return this.encoders.map((encoder) => encoder.finish());
  }
}

function checkTune(tune) {
  if (!TUNES.includes(tune)) throw badInput(`Expected a tune among ${TUNES.join(", ")}, received ${tune}.`);
}

function checkImage(image) {
  const { data, width, height } = image ?? {};
  const pixels = width * height;
  const whole = Number.isInteger(width) && Number.isInteger(height) && pixels > 0;
  if (!whole || !(data?.length === 3 * pixels || data?.length === 4 * pixels)) {
    throw badInput(
      `Expected RGB or RGBA bytes of width x height pixels, received ${data?.length} bytes of ` +
        `${width} x ${height} pixels; pass an ImageData.`,
    );
  }
  checkHeaderValues({ preset: "a", presetVersion: 1, width, height }, badInput);
}

// --- codec -----------------------------------------------------------------------------------------

const PREVIEW_SCALES = [1, 2, 4, 8, 16, 32, 64];

function drive(scanning, networks, onStep) {
  for (let answer; ;) {
    const { done, value } = scanning.next(answer);
    if (done) return;
    answer = value.step ? onStep(value.step) : networks[value.level][value.pass](value.input);
  }
}

async function driveAsync(scanning, networks, onStep) {
  for (let answer; ;) {
    const { done, value } = scanning.next(answer);
    if (done) return;
    answer = await (value.step ? onStep(value.step) : networks[value.level][value.pass](value.input));
  }
}

/** A preset's coding tables and context networks, from the bytes of its `codec.bin`. */
export const openCodec = (bytes) => new Codec(readCodecFile(asBytes(bytes, "a codec.bin")));

/**
 * Decodes and encodes streams of one preset.
 *
 * A *decoded* picture is `{header, width, height, step, picture, paddedWidth, paddedHeight}`: luma and
 * chroma in 1/64 of `step`, `(paddedHeight, paddedWidth, 3)`, of which `height` and `width` belong to
 * the picture. The methods that end in "Async" take networks that are run elsewhere (`onnxNetworks`), and
 * report every step of the scan, `{level, picture, height, width, values, scales}`, and the header to `onStep`,
 * for which they wait.
 */
class Codec {
  #networks;
  #tables;
  #costs;

  constructor({ preset, version, digest, levels, phase, tables, networks }) {
    this.preset = preset;
    this.version = version;
    this.tablesDigest = digest;
    this.levels = levels;
    this.phase = phase;
    this.#tables = new CoderTables(tables);
    this.#networks = networks.map((layers) => new ContextNetwork(layers));
  }

  /** The networks of all levels in plain JavaScript, finest first. */
  get networks() {
    return this.#networks;
  }

  /** What `RangeEncoder` and `RangeDecoder` need. */
  get coderTables() {
    return this.#tables;
  }

  /** Stream -> decoded picture. */
  decode(stream) {
    return this.#last(this.#scanOf(unpack(stream)));
  }

  async decodeAsync(stream, { networks = this.#networks, onStep = () => {} } = {}) {
    return this.#lastAsync(this.#scanOf(unpack(stream)), networks, onStep);
  }

  /** All steps of the scan of a stream, coarsest first: what must be equal on every machine. */
  symbols(stream) {
    const steps = [];
    drive(this.#scanOf(unpack(stream)).scanning, this.#networks, (step) => steps.push(step));
    return steps;
  }

  /**
   * A small picture, `scale` (1, 2, 4 ... 64) times smaller, from the beginning of a stream -> RGBA pixels.
   *
   * Its pixel (i, j) is centred on pixel (scale i, scale j) of the decoded picture.
   */
  preview(stream, scale = 8) {
    const { opened, level } = this.#openPreview(stream, scale);
    let last;
    drive(this.#scanOf(opened, level).scanning, this.#networks, (step) => (last = step));
    return this.stepPixels(opened.header, last);
  }

  async previewAsync(stream, scale = 8, { networks = this.#networks } = {}) {
    const { opened, level } = this.#openPreview(stream, scale);
    let last;
    await driveAsync(this.#scanOf(opened, level).scanning, networks, (step) => (last = step));
    return this.stepPixels(opened.header, last);
  }

  /** Bytes from the start of a stream that `preview` needs. */
  previewBytes(stream, scale = 8) {
    return prefixLength(parseHeader(stream), sectionOf(this.#previewLevel(scale)) + 1);
  }

  /** The picture of a `ScanStep`, without any network for pixels -> RGBA pixels. */
  stepPixels(header, { picture, width, height, level }) {
    const scale = 2 ** level;
    const unit = stepSize(header.stepCode) / 64 / scale;
    const rgb = toRgb(picture, width, unit, { top: 0, left: 0, height, width });
    return pixelsOf(rgb, width, Math.ceil(header.width / scale), Math.ceil(header.height / scale));
  }

  /** The base picture of the synthesis network, RGB `(paddedHeight, paddedWidth, 3)` in about [-0.5, 0.5]. */
  basePicture(decoded) {
    const { picture, paddedWidth: width, paddedHeight: height, step } = decoded;
    return toRgb(picture, width, step / 64, { top: 0, left: 0, height, width });
  }

  /**
   * RGB or RGBA bytes -> stream at a quality of 1 to 100.
   *
   * @param tune "psnr" spends bits where they lower squared error most; "visual" where errors are seen, in
   *   smooth places rather than in busy ones. At one quality their streams differ in size: compare at equal bytes.
   */
  encode(image, quality = 50, { tune = "psnr" } = {}) {
    const { source, opened } = this.#openEncoding(image, quality, tune);
    this.#last(this.#scanFrom(source, opened.header));
    return pack(opened.header, source.finish());
  }

  /** As `encode`, and what decoding the stream would give: `{stream, decoded}`. */
  async encodeAsync(image, quality = 50, { networks = this.#networks, onStep = () => {}, tune = "psnr" } = {}) {
    const { source, opened } = this.#openEncoding(image, quality, tune);
    const decoded = await this.#lastAsync(this.#scanFrom(source, opened.header), networks, onStep);
    const stream = pack(opened.header, source.finish());
    return { stream, decoded: { ...decoded, header: parseHeader(stream) } };
  }

  #paddedSize({ width, height }) {
    const unit = 2 ** this.levels;
    return [height, width].map((side) => Math.ceil(side / unit) * unit);
  }

  #last(scan) {
    let last;
    drive(scan.scanning, this.#networks, (step) => (last = step));
    return this.#decoded(scan.header, last);
  }

  async #lastAsync(scan, networks, onStep) {
    let last;
    await driveAsync(scan.scanning, networks, (step) => onStep((last = step), scan.header));
    return this.#decoded(scan.header, last);
  }

  #decoded(header, { picture, width: paddedWidth, height: paddedHeight }) {
    const { width, height, stepCode } = header;
    return { header, width, height, step: stepSize(stepCode), picture, paddedWidth, paddedHeight };
  }

  #previewLevel(scale) {
    const level = PREVIEW_SCALES.indexOf(scale);
    if (level < 0 || level > this.levels) {
      const offered = PREVIEW_SCALES.slice(0, this.levels + 1).join(", ");
      throw badInput(`Expected a scale among ${offered}, received ${scale}.`);
    }
    return level;
  }

  #openPreview(stream, scale) {
    const level = this.#previewLevel(scale);
    return { level, opened: unpackPrefix(stream, sectionOf(level) + 1) };
  }

  #scanOf({ header, sections }, until = 0) {
    if (hex(header.tablesDigest) !== hex(this.tablesDigest)) {
      throw new GtcError(
        "tables-mismatch",
        `Expected a stream of ${this.preset}@${this.version} with tables ${hex(this.tablesDigest)}, this one ` +
          `was written by ${header.preset}@${header.presetVersion} with tables ${hex(header.tablesDigest)}; ` +
          "decode it with the codec that wrote it.",
      );
    }
    if (header.stepCode > MAX_STEP_CODE) {
      throw damaged(`Expected a step code of at most ${MAX_STEP_CODE}, the stream has ${header.stepCode}; ${AGAIN}`);
    }
    if (header.sectionLengths.length !== SECTIONS) {
      throw damaged(`Expected ${SECTIONS} sections, the stream has ${header.sectionLengths.length}; ${AGAIN}`);
    }
    const least = this.#leastBytes(header);
    if (sections[0].length < least) {
      throw damaged(
        `Expected at least ${least} bytes in the first section of ${header.width} x ${header.height} pixels, ` +
          `the stream has ${sections[0].length}; ${AGAIN}`,
      );
    }
    return this.#scanFrom(new DecodingSource(this.#tables, sections), header, until);
  }

  /** Bytes of the first section below which no picture can have been coded; `gan_tfc.coding.passes`. */
  #leastBytes(header) {
    const [height, width] = this.#paddedSize(header);
    let bits = 0;
    for (let plane = 0; plane < PLANES; plane++) {
      const { precision, cdf } = this.#tables.rows[coarsestRow(header.stepCode) + plane];
      const widths = cdf.subarray(1).map((value, index) => value - cdf[index]);
      bits += precision - Math.log2(widths.reduce((a, b) => Math.max(a, b)));
    }
    return Math.floor(((height * width) / 4 ** this.levels) * (bits / 16)) - 64;
  }

  #scanFrom(source, header, until = 0) {
    const [height, width] = this.#paddedSize(header);
    return { header, scanning: scan(this, height, width, header.stepCode, source, until) };
  }

  #openEncoding(image, quality, tune) {
    checkImage(image);
    checkTune(tune);
    const stepCode = qualityToCode(quality);
    const { width, height } = image;
    const [paddedHeight, paddedWidth] = this.#paddedSize(image);
    let [picture, rows, columns] = [fromRgb(image, paddedWidth, paddedHeight), paddedHeight, paddedWidth];
    const details = [];
    for (let level = 0; level < this.levels; level++, rows /= 2, columns /= 2) {
      const split = splitLevel(picture, rows, columns);
      picture = split.low;
      details.push(split.details);
    }
    this.#costs ??= this.#tables.costs(REACH);
    const { preset, version: presetVersion, tablesDigest } = this;
    const header = { preset, presetVersion, tablesDigest, width, height, stepCode };
    const factors = tune === "visual" ? rateFactors(details, paddedHeight / 2, paddedWidth / 2) : null;
    const bands = { coarsest: picture, details };
    const source = new EncodingSource(this.#tables, this.#costs, bands, stepCode, factors);
    return { source, opened: { header } };
  }
}

// --- pixels ----------------------------------------------------------------------------------------

/**
 * Noise in (-1, 1), an integer function of the position, `(height, width, channels)`.
 *
 * @param top, left position of the first element, in patches of 4x4 pixels.
 */
export function positionNoise(height, width, channels, top = 0, left = 0) {
  const out = new Float32Array(height * width * channels);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = Math.imul(top + y, 0x9e3779b1) + Math.imul(left + x, 0x85ebca77);
      for (let channel = 0; channel < channels; channel++) {
        let h = place + Math.imul(channel, 0xc2b2ae3d);
        h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
        h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
        h ^= h >>> 15;
        out[at++] = ((h >> 24) + 0.5) / 128;
      }
    }
  }
  return out;
}

/**
 * Inputs of the synthesis network for a decoded picture or a tile of it, each `{data, dims}`.
 *
 * @param realism 0 (nearest to the original) to 1 (textures instead of blur).
 * @param noiseChannels of the manifest; 0 for presets without realism, which then have two inputs.
 * @param tile `{top, left, height, width}` in pixels, multiples of 4; all by default.
 */
export function synthesisInputs(decoded, { realism = 1, noiseChannels = 0, tile } = {}) {
  if (!(realism >= 0 && realism <= 1)) throw badInput(`Expected a realism from 0 to 1, received ${realism}.`);
  const { paddedWidth, paddedHeight, picture, step } = decoded;
  tile ??= { top: 0, left: 0, height: paddedHeight, width: paddedWidth };
  const base = toRgb(picture, paddedWidth, step / 64, tile);
  const inputs = {
    base: { data: base, dims: [1, tile.height, tile.width, PLANES] },
    step: { data: Float32Array.of(step), dims: [1, 1] },
  };
  if (noiseChannels) {
    const [top, left, height, width] = [tile.top, tile.left, tile.height, tile.width].map((n) => n / PATCH);
    const noise = positionNoise(height, width, noiseChannels, top, left);
    inputs.realism = { data: Float32Array.of(realism), dims: [1, 1] };
    inputs.noise = { data: noise, dims: [1, height, width, noiseChannels] };
  }
  return inputs;
}

/** Equal tiles along one side, of at most `tile` pixels, and between which pixels each is kept. */
function tileSpans(length, tile, overlap) {
  if (length <= tile) return [{ start: 0, size: length, from: 0, to: length }];
  if (!(tile % PATCH === 0 && overlap % PATCH === 0 && overlap >= 0 && 2 * overlap < tile)) {
    throw badInput(
      `Expected a tile and less than half of it as overlap, multiples of ${PATCH}, received ${tile} and ${overlap}.`,
    );
  }
  const count = Math.ceil((length - 2 * overlap) / (tile - 2 * overlap));
  const size = PATCH * Math.ceil((length + 2 * overlap * (count - 1)) / count / PATCH);
  const start = (index) => Math.min(index * (size - 2 * overlap), length - size);
  return Array.from({ length: count }, (_, index) => ({
    start: start(index),
    size,
    from: index ? start(index) + overlap : 0,
    to: index < count - 1 ? start(index + 1) + overlap : length,
  }));
}

/**
 * Tiles of a padded picture, `{top, left, height, width, keep: {top, left, height, width}}`, in pixels.
 *
 * No pixel that is kept is nearer than `overlap` to an edge of its tile inside the picture: that far the
 * synthesis network sees.
 */
export function tilesOf(height, width, tile, overlap) {
  const columns = tileSpans(width, tile, overlap);
  return tileSpans(height, tile, overlap).flatMap((row) =>
    columns.map((column) => ({
      top: row.start,
      left: column.start,
      height: row.size,
      width: column.size,
      keep: { top: row.from, left: column.from, height: row.to - row.from, width: column.to - column.from },
    })),
  );
}

// --- bundle ----------------------------------------------------------------------------------------

/** Answers of an ONNX Runtime session by name, from inputs `{name: [data, dims]}`. */
async function runSession(ort, session, inputs) {
  const feeds = {};
  for (const [name, [data, dims]] of Object.entries(inputs)) feeds[name] = new ort.Tensor("float32", data, dims);
  const results = await session.run(feeds);
  return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, tensor.data]));
}

/**
 * Context networks of all levels on ONNX Runtime, for the methods that end in "Async".
 *
 * @param ort the module onnxruntime-web or onnxruntime-node.
 * @param loadGraph async, from (pass "first" or "second", level) to the bytes of a graph.
 */
export async function onnxNetworks(ort, loadGraph, levels) {
  const open = async (pass, level) => ort.InferenceSession.create(await loadGraph(pass, level), SESSION_OPTIONS);
  const networks = [];
  for (let level = 0; level < levels; level++) {
    const [first, second] = [await open("first", level), await open("second", level)];
    networks.push({
      async first({ context, height, width }) {
        const dims = [1, height, width, CONTEXT_CHANNELS];
        const { features, means, scales } = await runSession(ort, first, { context: [context, dims] });
        return { features: Uint8Array.from(features), means, scales };
      },
      async second({ features, known, height, width }) {
        return runSession(ort, second, {
          features: [Float32Array.from(features), [1, height, width, features.length / (height * width)]],
          known: [known, [1, height, width, BANDS + 1]],
        });
      },
    });
  }
  return networks;
}

// The CPU's float32 alone is sure to be exact; other providers may calculate in fewer bits.
const SESSION_OPTIONS = { graphOptimizationLevel: "all" };

function readerOf(source) {
  if (typeof source === "function") return source;
  const folder = String(source).endsWith("/") ? String(source) : `${source}/`;
  return async (path) => {
    const url = folder + path;
    let response;
    try {
      response = await fetch(url);
    } catch (error) {
      throw new GtcError("bundle", `Expected to read ${url}, but ${error.message}; check the connection.`);
    }
    if (!response.ok) {
      throw new GtcError("bundle", `Expected to read ${url}, received status ${response.status}; check the address.`);
    }
    return new Uint8Array(await response.arrayBuffer());
  };
}

/**
 * Opens a bundle folder.
 *
 * @param source address of the folder, or an async function from a path in it to bytes.
 * @param ort the module onnxruntime-web or onnxruntime-node, or an async function that loads it, called
 *   when a graph is first wanted; without it only `bundle.codec` works.
 */
export async function loadBundle(source, ort) {
  const read = readerOf(source);
  let manifest;
  try {
    manifest = JSON.parse(new TextDecoder().decode(await read("manifest.json")));
  } catch (error) {
    if (error instanceof GtcError) throw error;
    throw badBundle(`Expected JSON in manifest.json, found other text (${error.message})`);
  }
  const codec = openCodec(await read("codec.bin"));
  const digest = hex(codec.tablesDigest);
  if (manifest.tables_digest !== digest || manifest.contexts?.levels !== codec.levels) {
    throw badBundle(
      `Expected tables ${manifest.tables_digest} and ${manifest.contexts?.levels} levels in codec.bin, ` +
        `found ${digest} and ${codec.levels}`,
    );
  }
  return new Bundle(manifest, codec, read, ort);
}

class Bundle {
  #read;
  #ort;
  #networks;
  #synthesis;

  constructor(manifest, codec, read, ort) {
    this.manifest = manifest;
    this.codec = codec;
    this.#read = read;
    this.#ort = ort;
  }

  /** Channels of noise, 0 where realism has no effect. */
  get noiseChannels() {
    return this.manifest.synthesis.noise_channels ?? 0;
  }

  /** Context networks on ONNX Runtime; loaded once. */
  async networks() {
    const { contexts } = this.manifest;
    const load = (pass, level) => this.#read(contexts[pass].replace("{level}", level));
    this.#networks ??= await onnxNetworks(await this.#runtime(), load, contexts.levels);
    return this.#networks;
  }

  async #runtime() {
    return typeof this.#ort === "function" ? this.#ort() : this.#ort;
  }

  async #loadSynthesis(ort) {
    const bytes = await this.#read(this.manifest.synthesis.file);
    this.#synthesis ??= await ort.InferenceSession.create(bytes, SESSION_OPTIONS);
  }

  /**
   * Decoded picture -> RGBA pixels.
   *
   * @param realism see `synthesisInputs`.
   * @param onTile called with the pixels so far and the tile that was added last; true stops.
   * @param tile, overlap see `tilesOf`; those of the manifest by default.
   */
  async synthesise(decoded, { realism = 1, onTile = () => {}, tile, overlap } = {}) {
    const { width, height, paddedWidth, paddedHeight } = decoded;
    const ort = await this.#runtime();
    if (!this.#synthesis) await this.#loadSynthesis(ort);
    const { noiseChannels } = this;
    tile ??= this.manifest.synthesis.tile;
    overlap ??= this.manifest.synthesis.overlap;
    const pixels = { data: new Uint8ClampedArray(width * height * 4), width, height };
    for (const window of tilesOf(paddedHeight, paddedWidth, tile, overlap)) {
      const { keep } = window;
      const shown = {
        top: keep.top,
        left: keep.left,
        height: Math.min(keep.height, height - keep.top),
        width: Math.min(keep.width, width - keep.left),
      };
      if (shown.height <= 0 || shown.width <= 0) continue;
      const inputs = synthesisInputs(decoded, { realism, noiseChannels, tile: window });
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, [x.data, x.dims]]));
      const { picture } = await runSession(ort, this.#synthesis, feeds);
      const from = { fromTop: keep.top - window.top, fromLeft: keep.left - window.left };
      putPixels(picture, window.width, { ...shown, ...from }, pixels.data, width);
      if (await onTile(pixels, shown)) break;
    }
    return pixels;
  }

  /** Stream -> RGBA pixels; `onStep` as for `Codec.decodeAsync`. */
  async decompress(stream, { realism = 1, onStep } = {}) {
    const decoded = await this.codec.decodeAsync(stream, { networks: await this.networks(), onStep });
    return this.synthesise(decoded, { realism });
  }
}
