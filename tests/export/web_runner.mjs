// SPDX-License-Identifier: Apache-2.0
/**
 * Does things on the web page in headless Chromium: `node web_runner.mjs node_modules chromium url actions.json`.
 *
 * An action is a list of its name and arguments; those that tell something add it to the list that is
 * printed as JSON. Files are named by their paths.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";

const [modules, executablePath, url, list] = process.argv.slice(2);
const { chromium } = createRequire(`${resolve(modules)}/`)("playwright-core");
const QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", ...QUIET],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const failures = [];
page.on("pageerror", (error) => failures.push(error.message));

const ACTIONS = {
  load: () => page.goto(url),
  block: (pattern) => page.route(pattern, (route) => route.abort()),
  viewport: (width, height) => page.setViewportSize({ width, height }),
  choose: (...paths) => page.setInputFiles("#open", paths),
  async drop(...paths) {
    const files = paths.map((path) => ({ name: basename(path), bytes: readFileSync(path, "base64") }));
    const transfer = await page.evaluateHandle((dropped) => {
      const data = new DataTransfer();
      for (const { name, bytes } of dropped) {
        const type = name.endsWith(".png") ? "image/png" : "";
        data.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], name, { type }));
      }
      return data;
    }, files);
    await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  },
  fill: (selector, value) => page.fill(selector, value),
  click: (selector) => page.click(selector),
  press: async (selector, key, times) => {
    await page.focus(selector);
    for (let i = 0; i < times; i++) await page.keyboard.press(key);
  },
  async finished() {
    // Dropped files are read first, so that the page is not busy at once.
    await page.waitForFunction(() => /in .* s\./.test(document.getElementById("status").textContent), null, {
      timeout: 180000,
    });
    await page.waitForSelector("body:not(.busy)", { timeout: 180000 });
  },
  sleep: (milliseconds) => page.waitForTimeout(milliseconds),
  failed: () => page.waitForSelector("#error:not([hidden])", { timeout: 180000 }),
  text: async (selector) => page.textContent(selector),
  visible: async (selector) => page.isVisible(selector),
  evaluate: async (expression) => page.evaluate(expression),
  screenshot: (path) => page.screenshot({ path }),
  async pixels(selector, path) {
    const size = await page.evaluate((chosen) => {
      const { width, height } = document.querySelector(chosen);
      return [height, width, 4];
    }, selector);
    const letters = await page.evaluate((chosen) => {
      const canvas = document.querySelector(chosen);
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let text = "";
      for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
      return btoa(text);
    }, selector);
    writeFileSync(path, Buffer.from(letters, "base64"));
    return size;
  },
  async download(selector, path) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
    await download.saveAs(path);
    return download.suggestedFilename();
  },
};
const TELLING = ["text", "visible", "evaluate", "pixels", "download"];

const told = [];
try {
  for (const [name, ...values] of JSON.parse(readFileSync(list))) {
    const result = await ACTIONS[name](...values);
    if (TELLING.includes(name)) told.push(result);
  }
  if (failures.length) throw new Error(failures.join("\n"));
} finally {
  await browser.close();
}
console.log(JSON.stringify(told));
