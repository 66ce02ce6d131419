// SPDX-License-Identifier: Apache-2.0
/**
 * Things done on a page in headless Chromium: `node RUNNER.mjs node_modules chromium url actions.json`.
 *
 * An action is a list of its name and arguments; those that tell something add it to the list that is
 * printed as JSON. An error of the page ends the process.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Does the actions; `actionsOf(page)` has more of their functions by name, `telling` names those that tell. */
export async function perform(viewport, telling, actionsOf) {
  const [modules, executablePath, url, list] = process.argv.slice(2);
  const { chromium } = createRequire(`${resolve(modules)}/`)("playwright-core");
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", ...QUIET],
  });
  const told = [];
  try {
    const page = await browser.newPage({ viewport });
    page.setDefaultTimeout(120000);
    const failures = [];
    page.on("pageerror", (error) => failures.push(error.message));
    const actions = {
      load: () => page.goto(url),
      viewport: (width, height) => page.setViewportSize({ width, height }),
      fill: (selector, value) => page.fill(selector, value),
      click: (selector) => page.click(selector),
      sleep: (milliseconds) => page.waitForTimeout(milliseconds),
      evaluate: (expression) => page.evaluate(expression),
      screenshot: (path) => page.screenshot({ path }),
      ...actionsOf(page),
    };
    for (const [name, ...values] of JSON.parse(readFileSync(list))) {
      const result = await actions[name](...values);
      if (telling.includes(name)) told.push(result);
    }
    if (failures.length) throw new Error(failures.join("\n"));
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(told));
}
