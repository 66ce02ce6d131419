// SPDX-License-Identifier: Apache-2.0
/** Does things on the page of an archive; see `tests/browser.mjs`. */
import { perform } from "../browser.mjs";

await perform({ width: 1180, height: 820 }, ["evaluate", "requests"], (page) => {
  const requests = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  return {
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
    requests: () => requests,
  };
});
