# SPDX-License-Identifier: Apache-2.0
"""How the report looks, and the few lines of script that reveal its crops."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --ink: #1d1c1a; --soft: #6b6862; --rule: #e4e0d8; --fill: #f4f1eb;
  --others: #d8d4cb; --named: #8f8a80; --accent: #c8102e; --good: #1f7a4a;
  --ours-0: #c8102e; --ours-1: #e8743b; --ours-2: #8c1d62; --ours-3: #d4508a;
  --jpeg: #9a6b00; --webp: #2f7d4f; --avif: #4a63b5; --jpegxl: #7a4fb0;
}
@media (prefers-color-scheme: dark) { :root {
  --paper: #161615; --ink: #ebe8e1; --soft: #a09b91; --rule: #34322e; --fill: #201f1d;
  --others: #3b3934; --named: #8d887d; --accent: #ff5a6e; --good: #63c990;
  --ours-0: #ff5a6e; --ours-1: #ff9e64; --ours-2: #e087c4; --ours-3: #f7a1c4;
  --jpeg: #dba73a; --webp: #6cc48e; --avif: #8fa5f0; --jpegxl: #bd9af0;
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1132px; margin: 0 auto; padding: 56px 24px 96px; }
h1 { font-size: 34px; line-height: 1.15; letter-spacing: -0.015em; margin: 0 0 12px; font-weight: 650; }
h2 { font-size: 21px; letter-spacing: -0.005em; margin: 64px 0 6px; padding-top: 20px;
  border-top: 1px solid var(--rule); font-weight: 650; }
h3 { font-size: 14px; margin: 0 0 6px; font-weight: 600; }
h3 span { color: var(--soft); font-weight: 400; }
p { max-width: 72ch; margin: 0 0 14px; }
.lead { font-size: 19px; line-height: 1.5; }
.lead b { color: var(--accent); font-weight: 650; white-space: nowrap; }
.note, .empty, small, figcaption { color: var(--soft); }
.note { font-size: 14px; }
small { font-size: 12px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr));
  gap: 30px 28px; margin: 22px 0 10px; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11.5px; fill: var(--soft); }
svg .label { font-weight: 600; }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 1.7; stroke-linejoin: round; }
.line.others { stroke: var(--others); stroke-width: 1; }
.line.named { stroke: var(--named); stroke-width: 1.2; stroke-dasharray: 4 3; }
.leader { stroke-width: 0.8; fill: none; stroke: var(--named); opacity: 0.55; }
svg .label.named { fill: var(--named); font-weight: 400; }
.dot { stroke: var(--paper); stroke-width: 0.8; }
.wide { overflow-x: auto; margin: 16px 0; }
table { border-collapse: collapse; font-size: 14.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 7px 20px 7px 0;
  border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; vertical-align: bottom; }
td.number { white-space: nowrap; }
td.best { font-weight: 700; }
td.better { color: var(--good); }
.settings { width: 100%; }
.settings th { white-space: nowrap; font-weight: 600; width: 1%; }
.score { position: sticky; top: 0; z-index: 1; background: var(--paper); padding: 10px 0; font-weight: 600;
  max-width: none; }
.blind { margin: 20px 0 30px; }
.crops { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 256px)); gap: 14px 20px; }
.crops figure { margin: 0; }
.crops img { max-width: 100%; height: auto; display: block; border-radius: 3px; }
figcaption { font-size: 13px; padding-top: 5px; min-height: 27px; }
.choice { cursor: pointer; }
.choice img { outline: 2px solid transparent; outline-offset: 2px; }
.choice:hover img, .choice:focus-visible img { outline-color: var(--named); }
.choice:focus { outline: none; }
.choice.picked img { outline-color: var(--accent); }
.choice.picked figcaption { color: var(--ink); font-weight: 600; }
details { margin: 26px 0; }
summary { cursor: pointer; font-weight: 600; }
@media print { .score { position: static; } }
""" + "".join(
    f".line.{name} {{ stroke: var(--{name}); }} .dot.{name}, svg .label.{name} {{ fill: var(--{name}); }}\n"
    f".leader.{name} {{ stroke: var(--{name}); }}\n"
    + (f".line.{name} {{ stroke-width: 2.4; }}\n" if name.startswith("ours") else "")
    for name in ("ours-0", "ours-1", "ours-2", "ours-3", "jpeg", "webp", "avif", "jpegxl")
)

SCRIPT = """
const rows = [...document.querySelectorAll(".blind")], picks = new Map();
function pick(row, chosen) {
  if (picks.has(row)) return;
  picks.set(row, chosen.dataset.codec);
  for (const figure of row.querySelectorAll(".choice")) {
    const bytes = Number(figure.dataset.bytes).toLocaleString("en");
    figure.querySelector("figcaption").textContent = `${figure.dataset.codec}, ${bytes} bytes`;
    figure.style.cursor = "default";
  }
  chosen.classList.add("picked");
  const tally = {};
  for (const name of picks.values()) tally[name] = (tally[name] || 0) + 1;
  const told = Object.entries(tally).sort((a, b) => b[1] - a[1]).map(([name, n]) => `${n} × ${name}`);
  document.getElementById("score").textContent =
    `Your choices, ${picks.size} of ${rows.length}: ${told.join(", ")}`;
}
for (const row of rows) for (const figure of row.querySelectorAll(".choice")) {
  figure.addEventListener("click", () => pick(row, figure));
  figure.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(row, figure); }
  });
}
"""
