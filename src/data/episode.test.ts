import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Episode, episodeBlock, readEpisodes, writeEpisodes } from "./episode.ts";

const folder = mkdtempSync(join(tmpdir(), "episodes-"));
afterAll(() => rmSync(folder, { recursive: true }));

const episode = (family: string): Episode => ({ family, prompt: "Say yes.", queries: [{ input: "a", target: "yes" }] });
const episodes = ["a", "b", "c", "d", "e"].map(episode);

test("what is written is read again, in its order", async () => {
  const path = join(folder, "episodes.jsonl");
  await writeEpisodes(path, episodes);
  expect(await readEpisodes(path)).toEqual(episodes);
});

test("a line that is no episode is refused by its number, an empty file by its name", async () => {
  const path = join(folder, "bad.jsonl");
  writeFileSync(path, `${JSON.stringify(episode("a"))}\n{"family": "b", "prompt": "Say no.", "queries": []}\n`);
  await expect(readEpisodes(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringMatching(/line 2/),
  });
  writeFileSync(path, "");
  await expect(readEpisodes(path)).rejects.toMatchObject({ code: "E_DATA", message: expect.stringContaining(path) });
});

test("blocks follow each other through the file and begin again behind its end", () => {
  const families = [0, 1, 2].map((block) =>
    episodeBlock(episodes, block, 2)
      .map(({ family }) => family)
      .join(""),
  );
  expect(families).toEqual(["ab", "cd", "ea"]);
});

test("an episode may name its labels; a target that is none of them is refused by its place", async () => {
  const path = join(folder, "labels.jsonl");
  const closed: Episode = { ...episode("a"), labels: ["yes", "no"] };
  await writeEpisodes(path, [closed]);
  expect(await readEpisodes(path)).toEqual([closed]);
  await writeEpisodes(path, [closed, { ...closed, labels: ["no"] }]);
  await expect(readEpisodes(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringMatching(/line 2.*queries\.0\.target: expected one of the labels, found "yes"/),
  });
});
