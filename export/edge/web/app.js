// SPDX-License-Identifier: Apache-2.0
/** The page: files come in, pictures and figures are shown; the work is done by worker.js. */

const $ = (id) => document.getElementById(id);
const show = (id, visible) => ($(id).hidden = !visible);
const number = new Intl.NumberFormat("en");
const contextOf = (id) => $(id).getContext("2d", { alpha: false, willReadFrequently: true });

const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const bundle = new URL(new URLSearchParams(location.search).get("bundle") ?? "..", import.meta.url).href;

/**
 * What is shown.
 *
 * key: number of the source, 0 before the first; job: number of the last request; stream: bytes of the
 * open or compressed stream, and name of its file; photo: ImageData of the original, and name of its file;
 * compressing: whether the stream is made from the photo here; failed: whether the source was refused;
 * headed: key of the last header; drawn: whether pixels of full quality are on the canvas; realism:
 * whether the preset knows it; since: when the last request was made.
 */
const state = {
  key: 0,
  job: 0,
  stream: null,
  name: "",
  photo: null,
  photoName: "",
  compressing: false,
  failed: false,
  headed: 0,
  drawn: false,
  realism: false,
  since: 0,
};

// --- requests --------------------------------------------------------------------------------------

/** Asks the worker for the picture of a source, or, without one, for the same picture at other realism. */
function ask(source) {
  if (source) state.key++;
  state.job++;
  state.since = performance.now();
  setBusy(Boolean(state.key));
  worker.postMessage({ job: state.job, key: state.key, source, bundle, realism: Number($("realism").value) });
}

function setBusy(busy) {
  document.body.classList.toggle("busy", busy);
  $("stage").setAttribute("aria-busy", busy);
}

function showError(message) {
  $("error").textContent = message;
  show("error", message);
  if (!message) return;
  setBusy(false);
  $("status").textContent = "";
}

/** A photo that came earlier is the original of a stream only if they share a name: many share a size. */
function openStream(stream, name, withPhoto) {
  if (!withPhoto && stem(name) !== stem(state.photoName)) state.photo = null;
  Object.assign(state, { stream, name, compressing: false });
  begin("Decoding…");
  ask({ stream });
}

function compressPhoto() {
  const { data, width, height } = state.photo;
  Object.assign(state, { stream: null, compressing: true });
  begin("Compressing…");
  ask({ image: { data, width, height }, quality: Number($("quality").value), tune: $("tune").value });
}

function begin(status) {
  state.drawn = state.failed = false;
  showError("");
  $("status").textContent = status;
  showPanel();
}

// --- answers ---------------------------------------------------------------------------------------

const ANSWERS = {
  opened({ preset, version, realism }) {
    $("preset").textContent = `${preset}@${version}`;
    state.realism = realism;
    showPanel();
  },

  header({ key, width, height, bytes }) {
    state.headed = key;
    const other = state.photo && (state.photo.width !== width || state.photo.height !== height);
    if (other && !state.compressing) state.photo = null;
    setSize(width, height);
    $("bytes").textContent = `${number.format(bytes)} bytes`;
    $("rate").textContent = `${((8 * bytes) / (width * height)).toFixed(3)} bits per pixel`;
    $("size").textContent = `${width} × ${height}`;
    show("facts", true);
    showPanel();
  },

  pixels({ data, width, height, scale, left, top }) {
    const pixels = new ImageData(data, width, height);
    const context = contextOf("decoded");
    if (scale === 1) context.putImageData(pixels, left, top);
    else if (!state.drawn) drawScaled(context, pixels, scale);
  },

  stream({ stream }) {
    state.stream = stream;
    offerDownload();
  },

  done() {
    state.drawn = true;
    showPsnr();
    setBusy(false);
    const seconds = ((performance.now() - state.since) / 1000).toFixed(1);
    $("status").textContent = `${state.compressing ? "Compressed" : "Decoded"} in ${seconds} s.`;
  },

  error({ message }) {
    state.failed = true;
    if (state.headed !== state.key) closePicture();
    showError(message);
    showPanel();
  },
};

worker.onmessage = ({ data }) => {
  // What a job says of its source stays true when other realism overtakes it.
  const ends = data.kind === "done" || data.kind === "error";
  if (ends ? data.job === state.job : data.key === state.key) ANSWERS[data.kind](data);
};

worker.onerror = () =>
  showError("Expected worker.js and gtc.js beside this page, but they did not load; copy the bundle again.");

/** Pixel (i, j) of a small picture is centred on pixel (scale i, scale j) of the large one. */
function drawScaled(context, pixels, scale) {
  const small = new OffscreenCanvas(pixels.width, pixels.height);
  small.getContext("2d").putImageData(pixels, 0, 0);
  const shift = (1 - scale) / 2;
  const [width, height] = [pixels.width * scale, pixels.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, width, height);
  context.drawImage(small, shift, shift, width, height);
}

// --- picture ---------------------------------------------------------------------------------------

function setSize(width, height) {
  const canvas = $("decoded");
  if (canvas.width !== width || canvas.height !== height || $("picture").hidden) {
    canvas.width = width;
    canvas.height = height;
    document.body.style.setProperty("--ratio", width / height);
    document.body.style.setProperty("--width", width);
  }
  show("empty", false);
  show("picture", true);
  document.body.classList.add("open");
}

function closePicture() {
  Object.assign(state, { stream: null, photo: null, compressing: false });
  show("facts", false);
  show("empty", true);
  show("picture", false);
  document.body.classList.remove("open");
}

function showOriginal() {
  const { photo } = state;
  show("original", photo);
  show("comparison", photo);
  if (!photo) return;
  const canvas = $("original");
  if (canvas.shown === photo) return;
  canvas.width = photo.width;
  canvas.height = photo.height;
  contextOf("original").putImageData(photo, 0, 0);
  canvas.shown = photo;
}

function showPsnr() {
  const { photo, drawn } = state;
  show("psnr-row", photo);
  if (!drawn) $("psnr").textContent = "…";
  if (!photo || !drawn) return;
  const decoded = contextOf("decoded").getImageData(0, 0, photo.width, photo.height).data;
  let error = 0;
  for (let i = 0; i < decoded.length; i += 4) {
    for (let channel = 0; channel < 3; channel++) error += (decoded[i + channel] - photo.data[i + channel]) ** 2;
  }
  const mean = error / (3 * photo.width * photo.height);
  $("psnr").textContent = mean ? `${(10 * Math.log10(255 ** 2 / mean)).toFixed(2)} dB` : "identical";
}

// --- panel -----------------------------------------------------------------------------------------

function showPanel() {
  const isOpen = document.body.classList.contains("open");
  show("quality-control", isOpen && state.compressing);
  show("tune-control", isOpen && state.compressing);
  show("realism-control", isOpen && state.realism && !state.failed);
  show("downloads", isOpen);
  show("download", state.compressing && state.stream);
  show("compress", state.photo && !state.compressing);
  if (state.compressing) $("quality-value").textContent = $("quality").value;
  $("realism-value").textContent = Number($("realism").value).toFixed(2);
  showOriginal();
  showPsnr();
}

const stem = (name) => name.replace(/\.[^.]*$/, "") || "picture";

function offerDownload() {
  const link = $("download");
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([state.stream], { type: "application/octet-stream" }));
  link.download = `${stem(state.name)}.gtc`;
  showPanel();
}

function savePicture() {
  $("decoded").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${stem(state.name)}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// --- files -----------------------------------------------------------------------------------------

const MAX_PIXELS = 2 ** 28;

async function readFiles(files) {
  const [streams, photos] = [[], []];
  for (const file of files) ((await isStream(file)) ? streams : photos).push(file);
  try {
    if (photos.length) await usePhoto(photos[0], streams.length > 0);
    if (streams.length) {
      openStream(new Uint8Array(await streams[0].arrayBuffer()), streams[0].name, photos.length > 0);
    }
  } catch (error) {
    showError(error.message);
  }
}

async function isStream(file) {
  const start = await file.slice(0, 3).text();
  return start === "GTC" || file.name.toLowerCase().endsWith(".gtc");
}

/** A photo is compared with an open stream of its size, and compressed otherwise. */
async function usePhoto(file, withStream) {
  const photo = await readPhoto(file);
  const canvas = $("decoded");
  const sameSize = photo.width === canvas.width && photo.height === canvas.height;
  const fits = state.stream && !state.compressing && sameSize;
  Object.assign(state, { photo, photoName: file.name });
  if (withStream) return;
  if (fits) {
    showError("");
    showPanel();
  } else {
    state.name = file.name;
    setSize(photo.width, photo.height);
    contextOf("decoded").putImageData(photo, 0, 0);
    show("facts", false);
    compressPhoto();
  }
}

async function readPhoto(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(
      `Expected a .gtc file or a photo that this browser can show, received ${file.name}; convert it to PNG or JPEG.`,
    );
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) {
    throw new Error(
      `Expected at most ${number.format(MAX_PIXELS)} pixels, received ${width} × ${height}; make it smaller.`,
    );
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false });
  // What is transparent becomes white, as wherever this codec reads pictures.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

// --- events ----------------------------------------------------------------------------------------

$("open").addEventListener("change", ({ target }) => {
  readFiles([...target.files]);
  target.value = ""; // so that the same file can be chosen again
});

$("divider").addEventListener("input", ({ target }) => {
  $("picture").style.setProperty("--split", `${target.value}%`);
});

$("realism").addEventListener("input", () => {
  $("realism-value").textContent = Number($("realism").value).toFixed(2);
  if (state.key) ask();
});

$("quality").addEventListener("input", ({ target }) => ($("quality-value").textContent = target.value));
$("quality").addEventListener("change", compressPhoto);
$("tune").addEventListener("change", compressPhoto);
$("compress").addEventListener("click", compressPhoto);
$("save").addEventListener("click", savePicture);

let depth = 0; // of elements that a file is dragged over
const DRAGS = { dragenter: 1, dragleave: -1, drop: 0, dragover: null };
for (const [type, change] of Object.entries(DRAGS)) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    if (change === null) return;
    depth = change ? depth + change : 0;
    document.body.classList.toggle("dragging", depth > 0);
    if (type === "drop" && event.dataTransfer.files.length) readFiles([...event.dataTransfer.files]);
  });
}

document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData.files.length) readFiles([...clipboardData.files]);
});

showPanel();
ask();
