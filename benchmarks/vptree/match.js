// Finds poses as Move Mirror does: the nearest by cosine distance, in a vantage-point tree.
//
//     node match.js POSES QUERIES
//
// Both files hold 34 little-endian doubles a pose: x and y of 17 key points, cropped to their box and L2-normalised. It
// prints {"milliseconds": M} for the building of the tree, then for each line that it reads (START END, of queries)
// {"milliseconds": [...], "found": [...]}: how long each of these took, and which pose is nearest.
//
// After https://medium.com/tensorflow/move-mirror-an-ai-experiment-with-pose-estimation-in-the-browser-using-tensorflow-js-2f7b769f9b23

"use strict";

const fs = require("fs");
const readline = require("readline");
const VPTreeFactory = require("vptree");

const NUMBERS = 34;

function poses(file) {
  const bytes = fs.readFileSync(file);
  const numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
  const rows = [];
  for (let at = 0; at < numbers.length; at += NUMBERS) rows.push(Array.from(numbers.subarray(at, at + NUMBERS)));
  return rows;
}

// As the article has it. The vectors are of length 1, but the package that it takes the cosine from cannot know.
function cosineDistance(a, b) {
  let product = 0;
  let ofA = 0;
  let ofB = 0;
  for (let i = 0; i < NUMBERS; i++) {
    product += a[i] * b[i];
    ofA += a[i] * a[i];
    ofB += b[i] * b[i];
  }
  return Math.sqrt(Math.max(0, 2 * (1 - product / Math.sqrt(ofA * ofB))));
}

function answer(tree, queries) {
  const milliseconds = [];
  const found = [];
  for (const query of queries) {
    const start = performance.now();
    const nearest = tree.search(query);
    milliseconds.push(performance.now() - start);
    found.push(nearest[0].i);
  }
  return { milliseconds, found };
}

const [library, queries] = process.argv.slice(2).map(poses);
const start = performance.now();
const tree = VPTreeFactory.build(library, cosineDistance);
console.log(JSON.stringify({ milliseconds: performance.now() - start }));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [first, end] = line.split(" ").map(Number);
  console.log(JSON.stringify(answer(tree, queries.slice(first, end))));
});
