// SPDX-License-Identifier: Apache-2.0
/**
 * Speed of gtc.js in Node: `node bench.mjs codec.bin [width height]`.
 *
 * Stages are timed on a made-up picture; each figure is the best of several runs.
 */
import { readFileSync } from "node:fs";
import { RangeDecoder, RangeEncoder, openCodec, positionNoise, synthesisInputs } from "./gtc.js";

const QUALITIES = [10, 50, 90];
const SYMBOLS = 1e6;

/** The least milliseconds of several runs of `work`, and what it gave last. */
function best(work, runs = 3) {
  let least = Infinity;
  let result;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    result = work();
    least = Math.min(least, performance.now() - start);
  }
  return { least, result };
}

/** Edges, slopes and grain: something of everything that a photo has. */
function madeUpPicture(width, height) {
  const data = new Uint8Array(width * height * 3);
  const grain = positionNoise(height, width, 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const edge = ((x >> 6) + (y >> 6)) & 1 ? 40 : 0;
      const strength = (32 * x) / width;
      for (let plane = 0; plane < 3; plane++, at++) {
        const slope = 90 + 60 * Math.sin(x / 40 + plane) * Math.cos(y / 60);
        data[at] = slope + edge + strength * grain[at];
      }
    }
  }
  return { data, width, height };
}

/** Rows of the coding tables at random, and symbols as likely as those rows say. */
function likelySymbols(tables) {
  const rows = Int32Array.from({ length: SYMBOLS }, (_, i) => 1 + ((Math.imul(i, 0x9e3779b1) >>> 26) % 63));
  const noise = new Uint8Array(4 * SYMBOLS).map((_, i) => Math.imul(i ^ (i >>> 7), 0x85ebca77) >>> 24);
  const symbols = new Int32Array(SYMBOLS);
  new RangeDecoder(tables, noise).decode(rows, symbols, SYMBOLS);
  return { rows, symbols };
}

function benchRangeCoder(tables) {
  const { rows, symbols } = likelySymbols(tables);
  const encoding = best(() => {
    const encoder = new RangeEncoder(tables);
    encoder.encode(symbols, rows, SYMBOLS);
    return encoder.finish();
  }, 5);
  const decoding = best(() => {
    const found = new Int32Array(SYMBOLS);
    new RangeDecoder(tables, encoding.result).decode(rows, found, SYMBOLS);
    return found;
  }, 5);
  if (decoding.result.some((symbol, i) => symbol !== symbols[i])) throw new Error("decoded symbols differ");
  const speed = ({ least }) => `${(SYMBOLS / 1e3 / least).toFixed(1)} Msymbols/s`;
  console.log(`range encoder  ${speed(encoding)}`);
  console.log(`range decoder  ${speed(decoding)}`);
}

/** Milliseconds inside and outside of the context networks while a stream is decoded. */
async function benchDecoding(codec, stream) {
  let inside = 0;
  const timed = (call) => (input) => {
    const start = performance.now();
    const answer = call(input);
    inside += performance.now() - start;
    return answer;
  };
  const networks = codec.networks.map((network) => ({
    first: timed((input) => network.first(input)),
    second: timed((input) => network.second(input)),
  }));
  let fastest = { whole: Infinity };
  for (let run = 0; run < 3; run++) {
    inside = 0;
    const start = performance.now();
    await codec.decodeAsync(stream, { networks });
    const whole = performance.now() - start;
    if (whole < fastest.whole) fastest = { whole, inside };
  }
  return fastest;
}

const [file, width = 768, height = 512] = process.argv.slice(2);
if (!file) {
  console.error("Expected the path of a codec.bin, received none; run node bench.mjs codec.bin.");
  process.exit(1);
}
const codec = openCodec(readFileSync(file));
benchRangeCoder(codec.coderTables);
const picture = madeUpPicture(Number(width), Number(height));
console.log(`\n${width} x ${height} pixels, milliseconds`);
console.log("quality   bytes  encode  decode  (networks, all else)  preview 1/8  base and noise");
for (const quality of QUALITIES) {
  const encoding = best(() => codec.encode(picture, quality));
  const stream = encoding.result;
  const { whole, inside } = await benchDecoding(codec, stream);
  const preview = best(() => codec.preview(stream, 8));
  const decoded = codec.decode(stream);
  const inputs = best(() => synthesisInputs(decoded, { noiseChannels: 12 }));
  const cells = [
    String(quality).padStart(7),
    String(stream.length).padStart(7),
    encoding.least.toFixed(0).padStart(7),
    whole.toFixed(0).padStart(7),
    `(${inside.toFixed(0)}, ${(whole - inside).toFixed(0)})`.padStart(21),
    preview.least.toFixed(0).padStart(12),
    inputs.least.toFixed(0).padStart(15),
  ];
  console.log(cells.join(" "));
}
