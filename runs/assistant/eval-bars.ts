/** @file What the default pair is meant to reach, held against what was measured. */
import type { MethodName } from "../../src/eval/methods.ts";
import type { SeedCell } from "../../src/eval/seeds.ts";

export type Bar = {
  readonly name: string;
  readonly wanted: number;
  readonly found: number;
  readonly met: boolean;
};

type Cells = Partial<Record<MethodName, SeedCell>>;

/** Floors for families of seen tasks, by their names. */
export const families = {
  "CLINC150 intents within a domain": { pattern: /^clinc-(?!domain-)/, floor: 0.85 },
  "SNIPS intents": { pattern: /^snips-intent-/, floor: 0.95 },
  Banking77: { pattern: /^banking77-/, floor: 0.7 },
} as const;
export type Family = keyof typeof families;

/** Bars whose methods and tasks were evaluated. */
export function heldAgainstBars(groups: {
  readonly seen?: Cells;
  readonly unseen?: Cells;
  readonly families: Partial<Record<Family, Cells>>;
}): Bar[] {
  const bars: Bar[] = [];
  const accuracy = (cells: Cells | undefined, method: MethodName) => cells?.[method]?.accuracy;
  const atLeast = (name: string, found?: number, wanted?: number): void => {
    if (found !== undefined && wanted !== undefined) bars.push({ name, wanted, found, met: found >= wanted });
  };
  const { seen, unseen } = groups;
  const prompted = [accuracy(seen, "prompted"), accuracy(seen, "prompted-5shot")].filter((one) => one !== undefined);
  const specialized = accuracy(seen, "specialized");
  const base = accuracy(seen, "base");
  const wrong = accuracy(seen, "wrong-prompt");
  if (prompted.length === 2)
    atLeast(
      "seen: specialized ≥ 0.95 × the better of prompted and prompted-5shot",
      specialized,
      0.95 * Math.max(...prompted),
    );
  if (base !== undefined) {
    atLeast("seen: specialized ≥ base + 20 points", specialized, base + 0.2);
    if (wrong !== undefined)
      bars.push({
        name: "seen: wrong-prompt ≤ base + 5 points",
        wanted: base + 0.05,
        found: wrong,
        met: wrong <= base + 0.05,
      });
  }
  for (const [name, { floor }] of Object.entries(families))
    atLeast(`${name}: specialized ≥ ${100 * floor} %`, accuracy(groups.families[name as Family], "specialized"), floor);
  atLeast("unseen, aim: specialized ≥ prompted", accuracy(unseen, "specialized"), accuracy(unseen, "prompted"));
  return bars;
}
