// Tokens per second of llama.cpp (through node-llama-cpp) reading texts with embeddings: node llama.mjs MODEL.gguf TEXTS.json THREADS
// TEXTS.json is an array of texts. Prints {"single": rate, "batched": rate, "tokens": n}: one embedding after the other as its own interface gives them,
// and prompts evaluated together, many sequences to a batch.
import {readFileSync} from "node:fs";
import {getLlama} from "node-llama-cpp";

const [file, textsFile, threads] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(textsFile, "utf8"));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: Number(threads)});
const model = await llama.loadModel({modelPath: file});
const tokens = texts.map((text) => model.tokenize(text));
const total = tokens.reduce((sum, ids) => sum + ids.length, 0);
const longest = Math.max(...tokens.map((ids) => ids.length));

async function single() {
    const context = await model.createEmbeddingContext({batchSize: 2048, contextSize: Math.max(longest + 8, 512), threads: Number(threads)});
    await context.getEmbeddingFor(tokens[0]);
    const start = performance.now();
    for (const ids of tokens) await context.getEmbeddingFor(ids);
    const rate = total / (performance.now() - start) * 1000;
    await context.dispose();
    return rate;
}

async function batched() {
    const sequences = Math.max(1, Math.min(64, Math.floor(2048 / longest)));
    const context = await model.createContext({sequences, batchSize: 2048, contextSize: Math.max(longest + 8, 64), threads: Number(threads)});
    const free = Array.from({length: sequences}, () => context.getSequence());
    const run = async (part) => Promise.all(part.map(async (ids, i) => {
        await free[i].clearHistory();
        await free[i].evaluateWithoutGeneratingNewTokens(ids);
    }));
    await run(tokens.slice(0, sequences));
    const start = performance.now();
    for (let i = 0; i < tokens.length; i += sequences) await run(tokens.slice(i, i + sequences));
    const rate = total / (performance.now() - start) * 1000;
    await context.dispose();
    return rate;
}

console.log(JSON.stringify({single: await single(), batched: await batched(), tokens: total}));
process.exit(0);
