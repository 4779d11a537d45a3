// Stagehand 3 without a model: launch (or resume), navigate, evaluate, close.
import { Stagehand } from "stagehand3";

const { page: url, direct, sessionId, projectId } = JSON.parse(process.argv[2]);
const stagehand = new Stagehand({
  env: "BROWSERBASE",
  apiKey: process.env.BROWSERBASE_API_KEY,
  projectId,
  disableAPI: direct,
  browserbaseSessionID: sessionId,
  // Never called: no act, extract or observe is asked for.
  model: { modelName: "openai/gpt-4.1-mini", apiKey: "unused" },
  verbose: 0,
  disablePino: true,
});
await stagehand.init();
const page = stagehand.context.pages()[0];
await page.goto(url);
const told = {
  sessionId: stagehand.browserbaseSessionID,
  pages: stagehand.context.pages().length,
  title: await page.title(),
  sum: await page.evaluate("1 + 2"),
};
await stagehand.close();
console.log(JSON.stringify(told));
