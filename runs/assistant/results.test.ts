/** @file What README.md says of the gain over another task's prompt, computed from the committed results. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { clusterBootstrap, mean } from "../../src/eval/statistics.ts";

const read = (path: string) => readFileSync(resolve(import.meta.dirname, path), "utf8");
type Cell = { readonly accuracy: number };
const results = JSON.parse(read("results/fifth-test.json")) as {
  readonly tasks: Readonly<Record<string, Readonly<Record<"specialized" | "wrong-prompt", Cell>>>>;
} & Readonly<Record<"seen" | "unseen", Readonly<Record<"specialized" | "wrong-prompt", Cell>>>>;

const unseen = [
  ...["clinc-travel-label", "clinc-work-label", "restaurant8k-slots", "sgd-media-2", "sgd-movies-2"],
  ...["trash-or-treasure", "plausible-cause", "cause-or-effect", "does-follow"],
];

/** Draws of tasks. Six of the nine unseen ones do not move: with few resamples the interval's lower end would be chance. */
const draws = 1_500_000;

/** In points: of each task, their mean, and its interval where tasks are resampled. */
function gains(names: readonly string[]) {
  const points = names.map((name) => {
    const { specialized, "wrong-prompt": other } = results.tasks[name]!;
    return 100 * (specialized.accuracy - other.accuracy);
  });
  const clusters = points.map((gain) => [[gain]]);
  const rng = createRng("gain over another prompt");
  const resamples = Math.ceil(draws / names.length);
  return { points, mean: mean(points), interval: clusterBootstrap(clusters, ([gain]) => gain!, { rng, resamples }) };
}

test.each([
  ["seen", Object.keys(results.tasks).filter((name) => !unseen.includes(name))],
  ["unseen", unseen],
] as const)("the gain over another prompt on %s tasks is what the page says", (kind, names) => {
  const found = gains(names);
  const { specialized, "wrong-prompt": other } = results[kind];
  expect(found.mean).toBeCloseTo(100 * (specialized.accuracy - other.accuracy), 8);
  const { low, high } = found.interval;
  const text = read("README.md").replace(/\s+/g, " ");
  expect(text).toContain(`${found.mean.toFixed(1)} points (${low.toFixed(1)} to ${high.toFixed(1)}`);
  if (kind === "unseen") expect(found.points.filter((gain) => Math.abs(gain) > 1e-9)).toHaveLength(3);
});
