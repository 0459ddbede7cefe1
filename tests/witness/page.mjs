// Opens a server's page in Chromium as a person would: types a text and reads the classes, in light, in dark, and on a phone.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [, , server, text, pictures, key] = process.argv;
const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const looks = {
  light: { colorScheme: "light", viewport: { width: 860, height: 1100 } },
  dark: { colorScheme: "dark", viewport: { width: 860, height: 1100 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};
const seen = {};

async function look(browser, name, settings) {
  const context = await browser.newContext(settings);
  const page = await context.newPage();
  const errors = [], elsewhere = [];
  page.on("console", message => { if (message.type() === "error") errors.push(message.text()); });
  page.on("pageerror", error => errors.push(error.message));
  page.on("request", request => { if (!request.url().startsWith(server) && !request.url().startsWith("data:")) elsewhere.push(request.url()); });
  await page.goto(server);
  if (key) {
    await page.getByLabel("This server asks for a key.").fill(key);
    await page.getByRole("button", { name: "Open" }).click();
  }
  await page.getByLabel("Text").fill(text);
  await page.locator("#classes li").first().waitFor();
  await page.locator("#scores tr").first().waitFor({ state: "attached" });
  const classes = await page.locator("#classes li").evaluateAll(rows => rows.map(row => [row.children[0].textContent, row.children[2].textContent]));
  const answer = await page.getByRole("status").textContent();
  await page.getByRole("tab", { name: "Python" }).click();
  const python = await page.locator("#code").textContent();
  await page.getByRole("tab", { name: "curl" }).click();
  const isWider = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  await page.waitForTimeout(400); // the bars have grown
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  await page.getByLabel("Text").fill(" \t ");
  await page.getByText("Nothing to classify").waitFor();
  seen[name] = { classes, answer, python, isWider, errors: key ? errors.filter(error => !error.includes("401")) : errors, elsewhere };
  await context.close();
}

const profile = mkdtempSync(join(tmpdir(), "llmembed-page-"));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags, env: { ...process.env, HOME: profile } });
try {
  for (const [name, settings] of Object.entries(looks)) await look(browser, name, settings);
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
