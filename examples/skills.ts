/** @file Skills of Transformer², mixed as a few examples say. Run: npx tsx examples/skills.ts [PAIR] [SKILLS] */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createRng,
  createShotScorer,
  createTwoPass,
  findShares,
  loadPair,
  openSkillPool,
  svfMaps,
  writeExpert,
} from "lora-gen";

const [directory = "pairs/smollm2", given] = process.argv.slice(2);
const { edge: model, tokenizer, layout } = await loadPair(directory, { keepBlocks: false }); // singular values are of numbers, not of codes
const folder = given ?? (await mkdtemp(join(tmpdir(), "lora-gen-")));

// Without a folder of trained skills: two whose factors are drawn at random, to see how it goes.
if (given === undefined)
  for (const name of ["calm", "lively"]) {
    const rng = createRng(name);
    const factors = (count: number) => Float32Array.from({ length: count }, () => 0.8 + 0.4 * rng.next());
    const lastLayer = svfMaps(model.config, "feed-forward").slice(-3); // all layers of a model take minutes to decompose
    const scales = lastLayer.map(
      ({ weight, inputs, outputs }) => [weight, factors(Math.min(inputs, outputs))] as const,
    );
    const skill = { modelSha256: model.sha256, scales: new Map(scales), renormalize: false, madeBy: { by: "chance" } };
    await writeExpert(join(folder, `${name}.safetensors`), skill);
  }

const examples = [
  { input: "the soup was cold", target: "negative" },
  { input: "I would come again any day", target: "positive" },
];
try {
  const pool = await openSkillPool(folder, { model, stored: model }, { folder: join(folder, ".svd") });
  const { change, steer } = pool.steered();
  await using scorer = createShotScorer({ model, change, tokenizer, layout }, { examples, scorer: "exact" });
  const found = await findShares(
    { skills: pool.names.length, layers: pool.layers, examples: examples.length },
    (shares) => {
      steer(shares);
      return scorer.score();
    },
    { generations: 2, population: 6 },
  );
  console.log(`${pool.names.join(", ")}: ${found.shares[0]!.map((share) => share.toFixed(2)).join(", ")}`);
  await using answering = createTwoPass({ model, tokenizer, layout }, pool, { shares: found.shares });
  const { text, ms } = await answering.answer("what a lovely meal", { maxTokens: 8 });
  console.log(`answer after ${ms.second.toFixed(0)} ms: ${text}`);
} finally {
  if (given === undefined) await rm(folder, { recursive: true });
}
