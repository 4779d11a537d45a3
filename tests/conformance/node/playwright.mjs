// playwright-core over connectUrl: the page that is there, a second one, what a page says, and a picture.
import { chromium } from "playwright-core";

const { connectUrl, page: url } = JSON.parse(process.argv[2]);
const browser = await chromium.connectOverCDP(connectUrl);
const context = browser.contexts()[0];
const page = context.pages()[0];
await page.goto(url);
const second = await context.newPage();
await second.goto(url);
const told = {
  pages: context.pages().length,
  title: await page.title(),
  sum: await second.evaluate("1 + 2"),
  size: page.viewportSize() ?? (await page.evaluate("({width: innerWidth, height: innerHeight})")),
  png: (await second.screenshot()).subarray(1, 4).toString(),
};
await browser.close();
console.log(JSON.stringify(told));
