// SPDX-License-Identifier: Apache-2.0
/**
 * Does things on the page of an archive in headless Chromium:
 * `node browse_runner.mjs node_modules chromium url actions.json`.
 *
 * An action is a list of its name and arguments; those that tell something add it to the list that is
 * printed as JSON.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [modules, executablePath, url, list] = process.argv.slice(2);
const { chromium } = createRequire(`${resolve(modules)}/`)("playwright-core");
const QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", ...QUIET],
});
const page = await browser.newPage({ viewport: { width: 1180, height: 820 } });
page.setDefaultTimeout(120000);
const failures = [];
const requests = [];
page.on("pageerror", (error) => failures.push(error.message));
page.on("request", (request) => requests.push(new URL(request.url()).pathname));

const ACTIONS = {
  load: () => page.goto(url),
  viewport: (width, height) => page.setViewportSize({ width, height }),
  theme: (colorScheme) => page.emulateMedia({ colorScheme }),
  // Not waitForFunction, which the page's Content-Security-Policy forbids.
  async until(expression) {
    const end = Date.now() + 30000;
    while (!(await page.evaluate(expression))) {
      if (Date.now() > end) throw new Error(`waited in vain for ${expression}`);
      await page.waitForTimeout(30);
    }
  },
  key: (name) => page.keyboard.press(name),
  type: (text) => page.keyboard.type(text),
  click: (selector) => page.click(selector),
  fill: (selector, value) => page.fill(selector, value),
  sleep: (milliseconds) => page.waitForTimeout(milliseconds),
  evaluate: (expression) => page.evaluate(expression),
  screenshot: (path) => page.screenshot({ path }),
  requests: () => requests,
};
const TELLING = ["evaluate", "requests"];

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
