// SPDX-License-Identifier: Apache-2.0
/**
 * An archive's photos: search, previews when they come into sight, and one photo at a time in full.
 *
 * A preview comes twice: small at once, and, when every tile in sight has one, as sharp as the tile.
 */
const find = (id) => document.getElementById(id);
const [grid, search, tags, count, empty, viewer] = ["grid", "search", "tags", "count", "empty", "viewer"].map(find);
const [frame, small, picture, error, realism] = ["frame", "small", "picture", "error", "realism"].map(find);

const SCALES = [1, 2, 4, 8, 16, 32];
const COARSE_SIDE = 60;

const { title, photos } = await (await fetch("photos")).json();
document.title = title.split(/[/\\]/).pop();

let shown = []; // tiles that match the search
let current = null; // the tile in the viewer

// --- tiles ---------------------------------------------------------------------------------------

/** "soups/tomato.jpg" -> "tomato" */
const label = (name) => name.replace(/^.*\//, "").replace(/\.[^.]+$/, "");

/** Letters without case and accents: "crème" is found by "creme". */
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

const tiles = photos.map((photo) => {
  const element = document.createElement("button");
  element.className = "photo";
  element.title = photo.name;
  const tile = document.createElement("span");
  const image = document.createElement("img");
  const text = document.createElement("span");
  [tile.className, text.className] = ["tile", "label"];
  [image.alt, text.textContent] = ["", label(photo.name)];
  tile.append(image);
  element.append(tile, text);
  const made = { photo, element, image, words: plain([photo.name, ...photo.tags].join(" ")), sharp: false };
  element.addEventListener("click", () => open(made));
  return made;
});
const byElement = new Map(tiles.map((tile) => [tile.element, tile]));

/** The largest scale at which a photo still has `side` pixels across, or 1. */
function scaleFor({ width, height }, side) {
  return SCALES.findLast((scale) => Math.min(width, height) / scale >= side) ?? 1;
}

const address = (photo, scale) => `preview/${photo.hash}/${scale}`;

const inSight = new Set();
let missing = 0; // coarse previews that are on their way

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const tile = byElement.get(target);
      if (isIntersecting) show(tile);
      else hide(tile);
    }
    sharpen();
  },
  { rootMargin: "25% 0px" },
);

function show(tile) {
  inSight.add(tile);
  if (tile.loading || tile.image.hasAttribute("src") || tile.element.classList.contains("broken")) return;
  const { photo, image } = tile;
  tile.scale = scaleFor(photo, COARSE_SIDE);
  missing++;
  tile.loading = load(address(photo, tile.scale), (loaded, url) => {
    missing--;
    tile.loading = null;
    if (loaded) image.src = url;
    else tile.element.classList.add("broken");
    sharpen();
  });
}

/** What scrolls by is not waited for. */
function hide(tile) {
  inSight.delete(tile);
  if (!tile.loading) return;
  tile.loading.src = "";
  tile.loading = null;
  missing--;
}

function load(url, done) {
  const image = new Image();
  const settle = (loaded) => image.getAttribute("src") === url && done(loaded, url);
  image.onload = () => settle(true);
  image.onerror = () => settle(false);
  image.src = url;
  return image;
}

function sharpen() {
  if (missing) return;
  for (const tile of inSight) {
    if (tile.sharp || tile.element.classList.contains("broken")) continue;
    tile.sharp = true;
    const side = 0.75 * tile.image.clientHeight * Math.min(devicePixelRatio, 2);
    const scale = Math.max(2, scaleFor(tile.photo, side));
    if (scale >= tile.scale) continue;
    tile.scale = scale;
    load(address(tile.photo, scale), (loaded, url) => loaded && (tile.image.src = url));
  }
}

// --- search --------------------------------------------------------------------------------------

const chosen = new Set();

function filter() {
  const words = plain(search.value).split(/\s+/).filter(Boolean);
  shown = tiles.filter(
    (tile) => words.every((word) => tile.words.includes(word)) && [...chosen].every((tag) => tile.photo.tags.includes(tag)),
  );
  grid.replaceChildren(...shown.map((tile) => tile.element));
  count.textContent = shown.length === tiles.length ? `${tiles.length}` : `${shown.length} of ${tiles.length}`;
  count.ariaLabel = `${count.textContent} photos`;
  empty.hidden = shown.length > 0;
  empty.textContent = tiles.length ? "No photo has this name or tag." : "No photos yet: gan-tfc archive add puts some in.";
}

function addTags() {
  const used = new Map();
  for (const { photo } of tiles) for (const tag of photo.tags) used.set(tag, (used.get(tag) ?? 0) + 1);
  const names = [...used.keys()].sort((a, b) => used.get(b) - used.get(a) || a.localeCompare(b));
  for (const name of names) {
    const button = document.createElement("button");
    button.textContent = name;
    button.ariaPressed = "false";
    button.addEventListener("click", () => {
      if (!chosen.delete(name)) chosen.add(name);
      button.ariaPressed = `${chosen.has(name)}`;
      filter();
    });
    tags.append(button);
  }
}

search.addEventListener("input", filter);

// --- one photo -----------------------------------------------------------------------------------

function open(tile) {
  current = tile;
  const { photo } = tile;
  frame.style.setProperty("--ratio", photo.width / photo.height);
  frame.style.setProperty("--width", photo.width);
  find("name").textContent = label(photo.name);
  const kilobytes = (photo.bytes / 1000).toFixed(photo.bytes < 1e5 ? 1 : 0);
  const facts = [photo.tags.join(", "), `${photo.width} × ${photo.height}`, `${kilobytes} kB`, photo.date.slice(0, 10)];
  find("facts").textContent = facts.filter(Boolean).join("  ·  ");
  find("realism-control").hidden = !photo.realism;
  const place = shown.indexOf(tile);
  find("previous").disabled = place <= 0;
  find("next").disabled = place === shown.length - 1;
  showSmall(tile);
  picture.removeAttribute("src");
  picture.alt = label(photo.name);
  if (!viewer.open) viewer.showModal();
  decode();
}

/** The tile's preview, where its pixels lie in the picture: each is centred on its first of `scale` pixels. */
function showSmall({ photo, scale = scaleFor(photo, COARSE_SIDE) }) {
  small.src = address(photo, scale);
  const offset = (scale - 1) / 2;
  small.style.width = `${(100 * Math.ceil(photo.width / scale) * scale) / photo.width}%`;
  small.style.height = `${(100 * Math.ceil(photo.height / scale) * scale) / photo.height}%`;
  small.style.left = `${(-100 * offset) / photo.width}%`;
  small.style.top = `${(-100 * offset) / photo.height}%`;
}

let asked = null;

async function decode() {
  const hurried = asked && viewer.classList.contains("busy");
  asked?.abort();
  const mine = (asked = new AbortController());
  error.hidden = true;
  viewer.classList.add("busy");
  // The server finishes what it began: of a slider's many values, or of photos leafed through, only the last.
  if (hurried) await new Promise((done) => setTimeout(done, 120));
  if (mine !== asked) return;
  try {
    const url = `picture/${current.photo.hash}?realism=${realism.value}`;
    const answer = await fetch(url, { signal: mine.signal });
    if (!answer.ok) throw new Error(await answer.text());
    const reader = new FileReader();
    const data = await answer.blob();
    await new Promise((done) => ((reader.onload = done), reader.readAsDataURL(data)));
    if (mine !== asked) return;
    picture.src = reader.result;
    await picture.decode();
  } catch (problem) {
    if (mine !== asked) return;
    error.textContent = problem instanceof TypeError ? "The server does not answer: start gan-tfc archive browse again." : problem.message;
    error.hidden = false;
  }
  if (mine === asked) viewer.classList.remove("busy");
}

function turn(step) {
  const tile = shown[shown.indexOf(current) + step];
  if (tile) open(tile);
}

find("previous").addEventListener("click", () => turn(-1));
find("next").addEventListener("click", () => turn(1));
find("close").addEventListener("click", () => viewer.close());
viewer.addEventListener("close", () => {
  asked?.abort();
  asked = null;
  current.element.focus();
});
realism.addEventListener("input", () => (find("realism-value").value = Number(realism.value).toFixed(1)));
realism.addEventListener("input", decode);

let start = null;
const stage = find("stage");
stage.addEventListener("pointerdown", (event) => (start = event.isPrimary ? event : null));
stage.addEventListener("pointerup", (event) => {
  if (!start || event.pointerId !== start.pointerId) return;
  const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
  if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) turn(x < 0 ? 1 : -1);
});

// --- keyboard ------------------------------------------------------------------------------------

function columns() {
  return getComputedStyle(grid).gridTemplateColumns.split(" ").length;
}

function move(key) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -Infinity, End: Infinity };
  const place = shown.indexOf(byElement.get(document.activeElement));
  const wanted = place < 0 ? 0 : place + steps[key];
  const last = shown.length - 1;
  const next = Number.isFinite(wanted) ? wanted : wanted < 0 ? 0 : last;
  if (next < 0 && key === "ArrowUp") search.focus();
  else if (next <= last || key === "ArrowRight") shown[Math.min(Math.max(next, 0), last)]?.element.focus();
  else if (place < last) shown[last].element.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  if (viewer.open) {
    if (event.target === realism && key !== "Escape") return;
    if (key === "ArrowLeft") turn(-1);
    if (key === "ArrowRight") turn(1);
    return;
  }
  if (event.target === search) {
    if (key === "Escape") {
      search.value = "";
      filter();
    } else if (key === "ArrowDown" || key === "Enter") {
      event.preventDefault();
      shown[0]?.element.focus();
    }
    return;
  }
  if (key === "/") {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (key === "Escape") {
    chosen.clear();
    for (const button of tags.children) button.ariaPressed = "false";
    search.value = "";
    filter();
  } else if (key.startsWith("Arrow") || key === "Home" || key === "End") {
    event.preventDefault();
    move(key);
  }
});

addTags();
filter();
for (const { element } of tiles) observer.observe(element);
document.body.classList.add("ready");
