/** @file `ladder`: whether certificates choose the rung that passes on inputs they never saw, and whether gates give canaries away. */
import { join } from "node:path";
import { AppError } from "../src/base/errors.ts";
import { sha256 } from "../src/base/hash.ts";
import { createRng } from "../src/base/rng.ts";
import { createSpecializer, type Specializer } from "../src/pair/specialize.ts";
import { createConstraintCache } from "../src/server/api/constraints.ts";
import { createEngine } from "../src/server/engine/engine.ts";
import type { Rung } from "../src/server/trust/certificate.ts";
import { certifyLimits } from "../src/server/trust/certify.ts";
import { type LeakReport, leakLimits, leakReport, plantedPrompts } from "../src/server/trust/leak-check.ts";
import { answerTokens } from "../src/server/trust/measure.ts";
import { atLeast, atMost, type Bench, type BenchOptions } from "./support/bench.ts";
import { benchPair } from "./support/bench-pair.ts";
import { kept } from "./support/kept.ts";
import { type Judged, judge, judging, type LadderSizes } from "./support/ladder-judge.ts";
import { ladderPrompts } from "./support/ladder-prompts.ts";
import { projectRoot } from "./support/machine.ts";

/** `each`: prompts of either kind; `planted`: prompts with canaries. */
type Sizes = LadderSizes & { readonly each: number; readonly planted: number };

const full: Sizes = { each: 10, inputs: 200, refine: 40, unseen: 500, threshold: 0.5, planted: leakLimits.prompts };
const tiny: Sizes = { each: 1, inputs: 20, refine: 4, unseen: 20, threshold: 0.5, planted: 40 };

/** The share of prompts whose choice must be right. */
const wanted = 0.8;
/** Gates of so many planted prompts are kept together. */
const plantedAtOnce = 20;
const seed = 1;

/** What was measured before is not measured again: the folder is deleted to begin anew. */
const folder = join(projectRoot, "work", "ladder");

export const ladder: Bench = {
  run: async (options) => {
    const sizes = { ...(options.quick ? tiny : full), ...options.ladder };
    if (sizes.refine > 0 && sizes.refine < certifyLimits.refineLeast)
      throw new AppError(
        "E_USAGE",
        `--refine: expected 0, or ${certifyLimits.refineLeast} or more, found ${sizes.refine}`,
      );
    const { threads, log } = options;
    const pair = await benchPair(options);
    const made = { generator: pair.generator.sha256, edge: pair.edge.sha256 };
    await using engine = await createEngine(pair, { threads });
    await using specializer = await createSpecializer(pair, { threads });
    const edge = { engine, texts: pair, constraints: createConstraintCache(pair) };
    const { each, planted, ...judged } = sizes;
    const prompts = await ladderPrompts(options.data ?? join(projectRoot, "..", "shared", "data"), each, needed(sizes));
    const rows: Judged[] = [];
    for (const given of prompts) {
      const { name, prompt, examples } = given;
      const key = { judging, made, name, prompt, examples: sha256(JSON.stringify(examples)), answerTokens, ...judged };
      const row = await kept(folder, key, () => judge({ pair, edge, specializer, threads }, given, judged));
      rows.push(row);
      log(`${rows.length}/${prompts.length} ${describe(row)}`);
    }
    const report = await leaks(specializer, planted, made, log);
    const { kind, digit, name } = report.attacks;
    return {
      configuration: { ...sizes, rows, leaks: report },
      raw: { "seconds of a prompt": rows.map(({ seconds }) => seconds) },
      medians: {},
      ratios: {
        "good prompts: choice right": shareOf(rows, "good"),
        "far prompts: choice right": shareOf(rows, "far"),
        "prompts with a rung that passes on unseen inputs": rows.filter(passes).length,
        "of these: choice right": rows.filter((row) => passes(row) && row.agrees).length,
        "canaries: digit named": digit.share,
        "canaries: name named": name.share,
      },
      checks: [
        atLeast(
          `prompts of ${rows.length} whose choice is the lowest rung that passes on unseen inputs`,
          rows.filter(({ agrees }) => agrees).length,
          Math.ceil(wanted * rows.length),
        ),
        atMost("canaries named more often than by chance", report.leaks.length, 0),
        atLeast("prompts whose kind the same attacker names", kind.share, leakLimits.control),
      ],
    };
  },
};

const needed = ({ inputs, refine, unseen }: LadderSizes): number => inputs + refine + unseen;

function shareOf(rows: readonly Judged[], kind: Judged["kind"]): number {
  const own = rows.filter((row) => row.kind === kind);
  return own.filter(({ agrees }) => agrees).length / own.length;
}

/** Where no rung passes, to choose none is right, and easily so: such prompts are counted apart too. */
const passes = ({ lowest }: Judged): boolean => lowest !== null;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function describe({ kind, name, choice, lowest, measured, unseen, unseenAsked, unlike, seconds }: Judged): string {
  const shares = (Object.entries(measured) as [Rung, number][]).map(([rung, share]) => {
    const [later, asked] = [unseen[rung], unseenAsked[rung]];
    const shown = later === undefined ? "not asked" : `${percent(later)} of ${asked}`;
    return `${rung} ${percent(share)} (unseen ${shown})`;
  });
  return `${kind} ${name}${unlike ? " (warned of)" : ""}: choice ${choice ?? "none"}, on unseen inputs ${lowest ?? "none"}; ${shares.join(", ")}; ${seconds.toFixed(0)} s`;
}

/** As `loragen leak-check` does, in parts. */
async function leaks(
  specializer: Specializer,
  count: number,
  made: object,
  log: BenchOptions["log"],
): Promise<LeakReport> {
  const rng = createRng(`leak check ${seed}`);
  const prompts = plantedPrompts(count, rng.split("prompts"));
  const gates: number[][] = [];
  for (let at = 0; at < count; at += plantedAtOnce) {
    const part = prompts.slice(at, at + plantedAtOnce).map(({ text }) => text);
    const found = await kept(folder, { made, part }, async () => {
      const rows: number[][] = [];
      for (const text of part) rows.push((await specializer.specialize(text)).gates.flat());
      return rows;
    });
    gates.push(...found);
    log(`leak check: ${gates.length}/${count}`);
  }
  return leakReport(prompts, gates, rng.split("attack"));
}
