// Lints the description of a server's routes, generates a TypeScript client from it, compiles that and calls the server with it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [, , server, ...texts] = process.argv;
const modules = join(dirname(fileURLToPath(import.meta.url)), "node_modules");
const folder = mkdtempSync(join(tmpdir(), "llmembed-openapi-"));

const use = `
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2]! });
const texts: string[] = process.argv.slice(3);

const classified = await client.POST("/classify", { body: { inputs: texts, top: 1 } });
if (classified.error) throw new Error(classified.error.error);
const labels: (string | null)[] = classified.data.map(item => item.label);

const embedded = await client.POST("/v1/embeddings", { body: { input: texts, encoding_format: "float" } });
if (embedded.error) throw new Error(embedded.error.error.message);
const sizes: number[] = embedded.data.data.map(item => item.embedding.length);

const states = await client.POST("/hidden-states", { body: { inputs: texts[0]!, depths: [0, "50%"], pooling: "mean" } });
if (states.error) throw new Error(states.error.error);
const views: number = states.data.views.length;

const refused = await client.POST("/classify", { body: { inputs: [] } });
console.log(JSON.stringify({ labels, sizes, views, refused: refused.error?.error_type }));
`;

function run(program, ...parameters) {
  const done = spawnSync(process.execPath, [join(modules, program), ...parameters], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
  });
  if (done.status !== 0) throw new Error(`${program}: ${done.stdout}\n${done.stderr}`);
  return done.stdout;
}

try {
  symlinkSync(modules, join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "openapi.json"), await (await fetch(`${server}/openapi/v1.json`)).text());
  const { problems, totals } = JSON.parse(run("@redocly/cli/bin/cli.js", "lint", "openapi.json", "--extends=recommended", "--format=json"));
  if (totals.errors + totals.warnings > 0)
    throw new Error(problems.map(problem => `${problem.severity} ${problem.ruleId} ${problem.location?.[0]?.pointer}: ${problem.message}`).join("\n"));
  run("openapi-typescript/bin/cli.js", "openapi.json", "--output", "api.ts");
  writeFileSync(join(folder, "use.ts"), use);
  run("typescript/bin/tsc", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "use.ts");
  const called = spawnSync(process.execPath, ["use.js", server, ...texts], { cwd: folder, encoding: "utf8" });
  if (called.status !== 0) throw new Error(called.stderr);
  process.stdout.write(called.stdout);
} catch (problem) {
  console.error(problem.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
