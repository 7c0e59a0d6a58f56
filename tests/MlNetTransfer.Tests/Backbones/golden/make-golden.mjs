// Makes golden vectors with TensorFlow.js itself, on its pure CPU backend. Run once by hand; CI only reads the results.
//
//   node make-golden.mjs NODE_MODULES CATALOG CARD TAP [TAP ...] > CARD.json
//
// NODE_MODULES has @tensorflow/tfjs and the card's package; CATALOG is catalog.json. Input pixels are the *-<size>.rgb.gz beside this script;
// the input tensor is (byte / 255 - mean) / std, [1, size, size, 3], or [1, 3, size, size] where the model takes that. Written are the mean over
// height and width of each tap, and the probabilities where the card has source classes.
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
const size = card.preprocessing.size;
const read = (f) => (f.path.endsWith('.bin') ? readFileSync(join(resolve(modules), card.package, f.path)) : require(join(resolve(modules), card.package, f.path)));
const [model, ...shards] = card.files.map(read);
const weightData = new Uint8Array(Buffer.concat(shards.map((s) => (typeof s === 'string' ? Buffer.from(s, 'base64') : s)))).buffer;
const dims = (model.modelTopology.node ?? []).find((n) => n.op === 'Placeholder')?.attr.shape?.shape.dim;
const channelsFirst = dims?.[1].size === '3';
// A trunk of convolutions takes any size; TF.js insists on the one that the detector was exported with.
if (channelsFirst) [dims[2].size, dims[3].size] = [`${size}`, `${size}`];
const artifacts = { modelTopology: model.modelTopology, format: model.format, weightSpecs: model.weightsManifest.flatMap((g) => g.weights), weightData };

await tf.setBackend('cpu');
await tf.ready();
const handler = tf.io.fromMemory(artifacts);
let run;
if (card.format === 'tfjsGraph') {
  const graph = await tf.loadGraphModel(handler);
  run = (x) => graph.execute(x, [...taps.map((t) => t.tensor ?? t.name), ...(card.sourceClasses.length ? [graph.outputs[0].name] : [])]);
} else {
  const layers = await tf.loadLayersModel(handler);
  const cut = tf.model({ inputs: layers.inputs, outputs: [...taps.map((t) => layers.getLayer(t.tensor ?? t.name).output), layers.outputs[0]] });
  run = (x) => cut.predict(x);
}

const here = dirname(fileURLToPath(import.meta.url));
const { mean, std } = card.preprocessing;
const suffix = `-${size}.rgb.gz`;
const images = {};
for (const file of readdirSync(here).filter((f) => f.endsWith(suffix)).sort()) {
  const pixels = gunzipSync(readFileSync(join(here, file)));
  const nhwc = tf.tensor4d(Float32Array.from(pixels, (b, i) => (b / 255 - mean[i % 3]) / std[i % 3]), [1, size, size, 3]);
  const values = [run(channelsFirst ? nhwc.transpose([0, 3, 1, 2]) : nhwc)].flat();
  const result = { taps: {} };
  taps.forEach((t, i) => { result.taps[t.name] = [...values[i].mean(channelsFirst ? [2, 3] : [1, 2]).dataSync()]; });
  if (card.sourceClasses.length) result.probabilities = [...values.at(-1).dataSync()];
  images[file] = result;
}

const short = (_, v) => (typeof v === 'number' ? Number(v.toPrecision(8)) : v);
console.log(JSON.stringify({ card: id, madeBy: `@tensorflow/tfjs ${tf.version.tfjs}, backend ${tf.getBackend()}`, images }, short));
