/** @file `headlines`: what the documents' texts claim, from the cells of their own tables. */
import { headlines, summaryOf, withoutCells } from "../headlines.ts";
import { number, paragraphs, signed, table } from "../markdown.ts";
import { accuracyTables } from "../paper.ts";
import type { Page } from "../row.ts";

export const headlinesPage = async (): Promise<Page> => ({
  text: paragraphs(
    "Claims of the texts beside what the cells of the paper's tables give. None of these numbers is ours: where a pair of ours has a figure, its own page says it.",
    table(
      ["claim", "said", "from the cells", "difference"],
      headlines.map(({ claim, said, found, digits, note }) => [
        note === undefined ? claim : `${claim} (${note})`,
        number(said, digits),
        number(found, digits),
        signed(found - said, digits + 1),
      ]),
    ),
    "Not to be recomputed:",
    withoutCells.map((claim) => `- ${claim}.`).join("\n"),
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
});
