// Texts per second of Transformers.js as its users call it: node transformers.mjs FOLDER TEXTS.json DTYPE THREADS BATCH_SIZE
// FOLDER holds a folder "minilm" with tokenizer, configuration and onnx/. Prints {"given": rate, "sorted": rate, "first": the first text's embedding}: texts in the
// order that they come in, and the shortest first, which pads less.
import {readFileSync} from "node:fs";
import {env, pipeline} from "@huggingface/transformers";

const [folder, textsFile, dtype, threads, batchSize] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(textsFile, "utf8")), size = Number(batchSize);
Object.assign(env, {allowRemoteModels: false, localModelPath: folder});
const extract = await pipeline("feature-extraction", "minilm", {dtype, session_options: {intraOpNumThreads: Number(threads), interOpNumThreads: 1}});
const embed = (part) => extract(part, {pooling: "mean", normalize: false});

async function rate(ordered) {
    await embed(ordered.slice(-size));
    const start = performance.now();
    for (let i = 0; i < ordered.length; i += size) await embed(ordered.slice(i, i + size));
    return ordered.length / (performance.now() - start) * 1000;
}

const first = await embed(texts.slice(0, 1));
console.log(JSON.stringify({given: await rate(texts), sorted: await rate([...texts].sort((a, b) => a.length - b.length)), first: [...first.data]}));
process.exit(0);
