/** @file `headlines`: what the documents' texts claim, from the cells of their own tables, with ours beside where it was run. */
import { type Headline, headlines, summaryOf, withoutCells } from "../headlines.ts";
import { keptTable } from "../kept-answers.ts";
import { number, paragraphs, signed, table, words } from "../markdown.ts";
import { ownFigure } from "../own-headlines.ts";
import { accuracyTables } from "../paper.ts";
import type { Context, Page } from "../row.ts";

export async function headlinesPage(context: Context): Promise<Page> {
  const ours = ({ own, digits }: Pick<Headline, "own" | "digits">) => ownFigure(own, digits, context);
  return {
    text: paragraphs(
      "Claims of the texts beside what the cells of the paper's tables give, and beside ours: the same quantity over SmolLM2-135M, of the first seed of LoRA-Gen in the paper's configuration, from the log of the page that is named. That page has its n and its interval. Differences and means are in points. Tasks that the paper trains on are five of eight, ours four.",
      table(
        ["claim", "said", "from the cells", "difference", "ours"],
        await inTurn(headlines, async (one) => {
          const { claim, said, found, digits, note } = one;
          return [
            note === undefined ? claim : `${claim} (${note})`,
            number(said, digits),
            number(found, digits),
            signed(found - said, digits + 1),
            await ours(one),
          ];
        }),
      ),
      "Not to be recomputed from cells:",
      words(
        ["claim", "why", "said", "ours"],
        await inTurn(withoutCells, async (one) => [one.claim, one.why, number(one.said, one.digits), await ours(one)]),
      ),
      "## The pair that ships, on its own test tasks",
      "Of the claims that LoRA-Gen is better than a LoRA, as good as examples in the context, and shorter than them. Its answers are kept (`runs/smollm2/results/test`); tasks and intervals as in [accuracy](../accuracy.md): strata are never averaged, differences are in points with 95 % intervals that resample tasks. The LoRA was trained without prompts on the same data, for 240 steps. Seconds of these questions were not compared: they were asked together.",
      await keptTable(),
      "## AVE and HAR",
      "The arithmetic and the harmonic mean over tasks. A printed value may differ by 0.1: the cells are rounded too.",
      ...Object.entries(accuracyTables).flatMap(([name, rows]) => [
        `### ${name}`,
        table(
          ["row", "AVE printed", "from the cells", "HAR printed", "from the cells"],
          rows.map((row) => {
            const { average, harmonic } = summaryOf(row);
            return [row.name, number(row.average), number(average, 2), number(row.harmonic), number(harmonic, 2)];
          }),
        ),
      ]),
    ),
  };
}

async function inTurn<T>(all: readonly T[], rowOf: (one: T) => Promise<string[]>): Promise<string[][]> {
  const rows: string[][] = [];
  for (const one of all) rows.push(await rowOf(one));
  return rows;
}
