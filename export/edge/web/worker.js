// SPDX-License-Identifier: Apache-2.0
/**
 * Decodes and encodes beside the page, which stays responsive.
 *
 * A request `{job, key, source, realism}` says what the page shall show: `source`, a stream (`{stream}`) or
 * a photo to compress (`{image, quality, tune}`), comes with the first request of a `key` alone. Answers carry
 * job and key and are `{kind: "opened"}` with the codec, `{kind: "header"}`, `{kind: "pixels"}` with a part
 * of the picture at a scale, `{kind: "stream"}` with what was encoded, `{kind: "done"}` or
 * `{kind: "error"}`. A request is dropped as soon as a newer one makes it pointless.
 */
import { GtcError, loadBundle, parseHeader } from "../gtc.js";

const PREVIEW_SCALE = 8;
/** Levels worth showing on the way; the finest is about to be replaced. */
const SHOWN_LEVELS = [2, 1];

class Outdated extends Error {}

let latest;
let queue = Promise.resolve();
let opened;
let runtime;
/** The last source and what was decoded from it. */
let current = { key: null, source: null, decoded: null };

onmessage = ({ data }) => {
  latest = data;
  queue = queue.then(() => answer(data));
};

/** Lets messages come in. */
const breathe = () => new Promise((resolve) => setTimeout(resolve));

async function answer(request) {
  const post = (kind, more = {}, transfer = []) =>
    postMessage({ kind, job: request.job, key: request.key, ...more }, transfer);
  if (request.source) current = { key: request.key, source: request.source, decoded: null };
  try {
    await breathe();
    checkWanted(request);
    const bundle = await bundleOf(request.bundle);
    const { preset, version } = bundle.codec;
    post("opened", { preset, version, realism: bundle.noiseChannels > 0 });
    if (!request.key) return;
    current.decoded ??= await decodedOf(bundle, request, post);
    await synthesise(bundle, request, post);
    post("done");
  } catch (error) {
    if (error instanceof Outdated) return;
    post("error", { message: error instanceof GtcError ? error.message : sentenceOf(error) });
  }
}

/** What is no mistake of a file is a want of memory nearly always; browsers and runtimes word it in many ways. */
function sentenceOf(error) {
  console.error(error);
  return `Expected to finish this picture, but the browser stopped with "${error.message}"; try a smaller one.`;
}

/** Other realism of the same picture does not make decoding pointless, but makes synthesis so. */
function checkWanted(request, sameKey = false) {
  if (sameKey ? latest.key !== request.key : latest !== request) throw new Outdated();
}

async function bundleOf(address) {
  opened ??= await loadBundle(address, loadRuntime);
  return opened;
}

/** ONNX Runtime takes a while to load; the first preview does not wait for it. */
async function loadRuntime() {
  const folder = new URL("vendor/", import.meta.url).href;
  try {
    runtime ??= await import(`${folder}ort.wasm.min.mjs`);
  } catch {
    throw new GtcError(
      "bundle",
      "Expected onnxruntime-web in web/vendor, but it could not be loaded; copy its files as web/README.md says.",
    );
  }
  runtime.env.wasm.wasmPaths = folder;
  return runtime;
}

async function decodedOf(bundle, request, post) {
  const { codec } = bundle;
  const { stream, image, quality, tune } = current.source;
  const onStep = async (step, header) => {
    await breathe();
    checkWanted(request, true);
    if (SHOWN_LEVELS.includes(step.level)) showStep(codec, header, step, post);
  };
  if (image) {
    const encoded = await codec.encodeAsync(image, quality, { networks: await bundle.networks(), onStep, tune });
    const { header } = encoded.decoded;
    post("header", facts(header));
    post("stream", { stream: encoded.stream });
    return encoded.decoded;
  }
  const header = parseHeader(stream);
  post("header", facts(header));
  const preview = codec.preview(stream.subarray(0, codec.previewBytes(stream, PREVIEW_SCALE)), PREVIEW_SCALE);
  showPixels(preview, PREVIEW_SCALE, post);
  return codec.decodeAsync(stream, { networks: await bundle.networks(), onStep });
}

const facts = ({ width, height, streamBytes }) => ({ width, height, bytes: streamBytes });

function showStep(codec, header, step, post) {
  showPixels(codec.stepPixels(header, step), 2 ** step.level, post);
}

function showPixels({ data, width, height }, scale, post) {
  post("pixels", { data, width, height, scale, left: 0, top: 0 }, [data.buffer]);
}

async function synthesise(bundle, request, post) {
  await bundle.synthesise(current.decoded, {
    realism: request.realism,
    onTile: async (pixels, { left, top, width, height }) => {
      const data = cut(pixels, left, top, width, height);
      post("pixels", { data, width, height, scale: 1, left, top }, [data.buffer]);
      await breathe();
      checkWanted(request);
    },
  });
}

function cut({ data, width: stride }, left, top, width, height) {
  const out = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 4 * ((top + y) * stride + left);
    out.set(data.subarray(from, from + 4 * width), 4 * y * width);
  }
  return out;
}
