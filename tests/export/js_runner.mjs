// SPDX-License-Identifier: Apache-2.0
/**
 * Runs jobs on gtc.js: `node js_runner.mjs gtc.js jobs.json`, and prints one result for each as JSON.
 *
 * A job is `{call, ...}`; files that it names are read and written whole. An error of gtc.js is the result
 * `{kind, error}`; any other ends the process.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [library, list] = process.argv.slice(2);
const gtc = await import(pathToFileURL(library));

const codecs = new Map();
function codecOf({ codec }) {
  if (!codecs.has(codec)) codecs.set(codec, gtc.openCodec(readFileSync(codec)));
  return codecs.get(codec);
}

const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const imageOf = ({ image, width, height }) => ({ data: readFileSync(image), width, height });

/** Coarsest picture, then values and scale indexes of each level, then the finest picture, as int32. */
function dump(steps) {
  const parts = [steps[0].picture];
  for (const { values, scales } of steps.slice(1)) parts.push(values, Int32Array.from(scales));
  parts.push(steps.at(-1).picture);
  return Buffer.concat(parts.map(bytesOf));
}

const CALLS = {
  open: (job) => void gtc.openCodec(readFileSync(job.codec)),
  dump: (job) => writeFileSync(job.out, dump(codecOf(job).symbols(readFileSync(job.stream)))),
  decode: (job) => void codecOf(job).decode(readFileSync(job.stream)),
  encode: (job) => writeFileSync(job.out, codecOf(job).encode(imageOf(job), job.quality, { tune: job.tune })),
  async encodeAsync(job) {
    const { stream, decoded } = await codecOf(job).encodeAsync(imageOf(job), job.quality, { tune: job.tune });
    writeFileSync(job.out, stream);
    return codecOf(job)
      .decode(stream)
      .picture.every((value, i) => value === decoded.picture[i]);
  },
  preview(job) {
    const stream = readFileSync(job.stream);
    const prefix = stream.subarray(0, codecOf(job).previewBytes(stream, job.scale));
    const { data, width, height } = codecOf(job).preview(prefix, job.scale);
    writeFileSync(job.out, data);
    return [height, width, 4];
  },
  base: (job) =>
    writeFileSync(job.out, bytesOf(codecOf(job).basePicture(codecOf(job).decode(readFileSync(job.stream))))),
  noise: (job) => writeFileSync(job.out, bytesOf(gtc.positionNoise(...job.arguments))),
  tables: () => ({ compress: [...gtc.COMPRESS], octave: [...gtc.OCTAVE] }),
  codes: (job) => job.qualities.map(gtc.qualityToCode),
  qualities: (job) => job.codes.map(gtc.codeToQuality),
  tiles: (job) => gtc.tilesOf(...job.arguments),
};

const results = [];
for (const job of JSON.parse(readFileSync(list))) {
  try {
    results.push((await CALLS[job.call](job)) ?? null);
  } catch (error) {
    if (!(error instanceof gtc.GtcError)) throw error;
    results.push({ kind: error.kind, error: error.message });
  }
}
console.log(JSON.stringify(results));
