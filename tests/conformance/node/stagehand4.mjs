// Stagehand 4 without a model: it uploads its extension, and what it does to pages it does from inside the browser.
import { browserbase, Stagehand } from "stagehand4";

const { page: url, baseUrl } = JSON.parse(process.argv[2]);
const browser = await browserbase.launch({ apiKey: process.env.BROWSERBASE_API_KEY, baseUrl });
const stagehand = await Stagehand.create({ browser, model: { modelName: "openai/gpt-4.1-mini", apiKey: "unused" } });
const [page] = await browser.context.pages();
await page.goto(url);
const told = {
  pages: (await browser.context.pages()).length,
  title: await page.title(),
  sum: await page.evaluate("1 + 2"),
};
await stagehand.close?.();
await browser.close();
console.log(JSON.stringify(told));
