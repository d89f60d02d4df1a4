/** First step of every check: says plainly when another Node than the locked one runs the scripts. */
const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  console.error(`need Node 24, got ${process.version}; run "npm ci", then start through "npm run" or "npx"`);
  process.exit(1);
}
