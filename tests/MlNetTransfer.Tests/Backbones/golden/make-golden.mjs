// Makes golden vectors with TensorFlow.js itself, on its pure CPU backend. Run once by hand; CI only reads the results.
//
//   node make-golden.mjs NODE_MODULES CATALOG CARD TAP [TAP ...] > CARD.json
//
// NODE_MODULES has @tensorflow/tfjs and the card's package; CATALOG is catalog.json. Input pixels are the *-<size>.rgb.gz beside this script;
// the input tensor is byte / 255, [1, size, size, 3]. Written are the mean over height and width of each tap, and the model's output.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const [modules, catalog, id, ...tapNames] = process.argv.slice(2);
const require = createRequire(resolve(modules, 'index.js'));
const tf = require('@tensorflow/tfjs');
const card = JSON.parse(readFileSync(catalog)).find((c) => c.id === id);
const taps = tapNames.map((name) => card.taps.find((t) => t.name === name));
const [model, ...shards] = card.files.map((f) => require(join(resolve(modules), card.package, f.path)));
const weightData = new Uint8Array(Buffer.concat(shards.map((s) => Buffer.from(s, 'base64')))).buffer;
const artifacts = { modelTopology: model.modelTopology, format: model.format, weightSpecs: model.weightsManifest.flatMap((g) => g.weights), weightData };

await tf.setBackend('cpu');
await tf.ready();
const handler = tf.io.fromMemory(artifacts);
let run;
if (card.format === 'tfjsGraph') {
  const graph = await tf.loadGraphModel(handler);
  run = (x) => graph.execute(x, [...taps.map((t) => t.tensor ?? t.name), graph.outputs[0].name]);
} else {
  const layers = await tf.loadLayersModel(handler);
  const cut = tf.model({ inputs: layers.inputs, outputs: [...taps.map((t) => layers.getLayer(t.tensor ?? t.name).output), layers.outputs[0]] });
  run = (x) => cut.predict(x);
}

const here = dirname(fileURLToPath(import.meta.url));
const size = card.preprocessing.size;
const suffix = `-${size}.rgb.gz`;
const images = {};
for (const file of readdirSync(here).filter((f) => f.endsWith(suffix)).sort()) {
  const pixels = gunzipSync(readFileSync(join(here, file)));
  const x = tf.tensor4d(Float32Array.from(pixels, (b) => b / 255), [1, size, size, 3]);
  const values = run(x);
  const result = { taps: {}, probabilities: [...values.at(-1).dataSync()] };
  taps.forEach((t, i) => { result.taps[t.name] = [...values[i].mean([1, 2]).dataSync()]; });
  images[file] = result;
}

const short = (_, v) => (typeof v === 'number' ? Number(v.toPrecision(8)) : v);
console.log(JSON.stringify({ card: id, madeBy: `@tensorflow/tfjs ${tf.version.tfjs}, backend ${tf.getBackend()}`, images }, short));
