// SPDX-License-Identifier: Apache-2.0
/** Does things on the web page of a bundle; files are named by their paths; see `tests/browser.mjs`. */
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { perform } from "../browser.mjs";

const TELLING = ["text", "visible", "evaluate", "pixels", "download"];

await perform({ width: 1280, height: 800 }, TELLING, (page) => ({
  block: (pattern) => page.route(pattern, (route) => route.abort()),
  select: (selector, value) => page.selectOption(selector, value),
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
  failed: () => page.waitForSelector("#error:not([hidden])", { timeout: 180000 }),
  text: async (selector) => page.textContent(selector),
  visible: async (selector) => page.isVisible(selector),
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
}));
