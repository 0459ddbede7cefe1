// Asks a server through the clients that people have: each text alone, and all of them at once. Prints what each client gave its caller.
import { readFileSync } from "node:fs";
import { InferenceClient } from "@huggingface/inference";
import { OpenAIEmbeddings } from "@langchain/openai";
import OpenAI from "openai";

const [, , server, file, classifier, backbone] = process.argv;
const texts = JSON.parse(readFileSync(file, "utf8"));
const each = ask => Promise.all(texts.map(ask));

const openai = new OpenAI({ baseURL: `${server}/v1`, apiKey: "none" });
const embed = async (input, options = {}) => (await openai.embeddings.create({ model: backbone, input, ...options })).data.map(item => item.embedding);

const langchain = new OpenAIEmbeddings({ model: backbone, apiKey: "none", configuration: { baseURL: `${server}/v1` } });

const inference = new InferenceClient();
const scores = inputs => inference.textClassification({ endpointUrl: `${server}/models/${classifier}`, inputs });
const features = inputs => inference.featureExtraction({ endpointUrl: `${server}/models/${backbone}`, inputs });

console.log(JSON.stringify({
  models: (await openai.models.list()).data.map(model => model.id),
  openai: { alone: (await each(text => embed(text))).map(([vector]) => vector), together: await embed(texts) },
  openaiFloat: { alone: [], together: await embed(texts, { encoding_format: "float" }) },
  langchain: { alone: await each(text => langchain.embedQuery(text)), together: await langchain.embedDocuments(texts) },
  huggingface: { alone: (await each(text => features(text))).map(([vector]) => vector), together: await features(texts) },
  huggingfaceScores: await each(scores),
  refused: await embed([""]).then(() => "", problem => `${problem.status} ${problem.param} ${problem.requestID?.startsWith("req_")}`),
}));
