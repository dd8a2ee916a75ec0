import { expect, test } from "vitest";
import { GeneratorRun } from "../../src/train/recipes/generator.ts";
import { leverRun, levers } from "./levers.ts";

test("every lever is a run that can be trained, and differs from the long run by what it changes alone", () => {
  const runs = Object.keys(levers).map((name) => {
    const run = GeneratorRun.parse(leverRun(name, { out: "out", steps: 300, batch: 16 }));
    return [name, run] as const;
  });
  const [, trained] = runs[0]!;
  for (const [name, run] of runs) {
    expect(run).toEqual({ ...trained, output: `out/${name}`, generator: { ...trained.generator, ...levers[name] } });
    const changed = Object.entries(levers[name]!).filter(
      ([key, value]) => trained.generator[key as keyof typeof trained.generator] === value,
    );
    expect(changed, name).toEqual([]);
  }
});
