// puppeteer-core over connectUrl; `leave` says how: by disconnecting, or by closing the browser.
import puppeteer from "puppeteer-core";

const { connectUrl, page: url, leave } = JSON.parse(process.argv[2]);
const browser = await puppeteer.connect({ browserWSEndpoint: connectUrl, defaultViewport: null });
const [page] = await browser.pages();
await page.goto(url);
const told = {
  pages: (await browser.pages()).length,
  title: await page.title(),
  sum: await page.evaluate("1 + 2"),
  version: await browser.version(),
  png: Buffer.from(await page.screenshot()).subarray(1, 4).toString(),
};
await browser[leave]();
console.log(JSON.stringify(told));
