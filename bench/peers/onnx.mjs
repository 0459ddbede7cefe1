// Tokens per second of onnxruntime-node, the engine under Transformers.js: node onnx.mjs MODEL.onnx IDS.json THREADS BATCH_SIZES
// IDS.json is an array of arrays of token ids. Prints {"rates": [one for each batch size], "first": the mean over the tokens of the first text's last state}.
import {readFileSync} from "node:fs";
import ort from "onnxruntime-node";

const [file, idsFile, threads, batchSizes] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(idsFile, "utf8"));
const total = texts.reduce((sum, ids) => sum + ids.length, 0);
const session = await ort.InferenceSession.create(file, {graphOptimizationLevel: "all", intraOpNumThreads: Number(threads), interOpNumThreads: 1});

async function run(batch) {
    const length = Math.max(...batch.map((ids) => ids.length));
    const ids = new BigInt64Array(batch.length * length), mask = new BigInt64Array(batch.length * length);
    batch.forEach((text, b) => text.forEach((id, t) => {
        ids[b * length + t] = BigInt(id);
        mask[b * length + t] = 1n;
    }));
    const tensor = (data) => new ort.Tensor("int64", data, [batch.length, length]);
    const {last_hidden_state: states} = await session.run({input_ids: tensor(ids), attention_mask: tensor(mask)});
    return batch.map((text, b) => mean(states.data, b * length, text.length, states.dims[2]));
}

function mean(values, row, tokens, size) {
    const sum = new Float32Array(size);
    for (let t = 0; t < tokens; t++) for (let i = 0; i < size; i++) sum[i] += values[(row + t) * size + i];
    return sum.map((value) => value / tokens);
}

const sorted = [...texts].sort((a, b) => b.length - a.length);
const first = (await run([texts[0]]))[0];
await run(sorted.slice(0, 32));
const rates = [];
for (const size of batchSizes.split(",").map(Number)) {
    const start = performance.now();
    for (let i = 0; i < sorted.length; i += size) await run(sorted.slice(i, i + size));
    rates.push(total / (performance.now() - start) * 1000);
}
console.log(JSON.stringify({rates, first: [...first]}));
