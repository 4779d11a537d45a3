// Drive one session with the Browserbase SDK and Playwright.
//
//   npm install && node node_playwright.mjs
//
// Needs BROWSERBASE_BASE_URL and BROWSERBASE_API_KEY in the environment; the SDK reads both by itself.

import Browserbase from "@browserbasehq/sdk";
import { chromium } from "playwright-core";

const bb = new Browserbase();
const session = await bb.sessions.create({ userMetadata: { example: "node_playwright" } });
console.log("session", session.id, "is", session.status);

const browser = await chromium.connectOverCDP(session.connectUrl);
// A session comes with one context and one page, at about:blank.
const page = browser.contexts()[0].pages()[0];
await page.goto(`data:text/html,<title>Hello</title><button onclick="document.title='Clicked'">Click</button>`);
await page.click("button");
console.log("the page's title is", await page.title());
await browser.close();

// The last client has left. The session would end by itself now; to ask for it is to know when it is over.
const ended = await bb.sessions.update(session.id, { status: "REQUEST_RELEASE" });
console.log("session", ended.id, "is", ended.status, `(${ended.endedReason})`);
