import fc from "fast-check";
import { expect, test } from "vitest";
import { createStopFilter } from "./stop-strings.ts";

function run(pieces: readonly string[], stops: readonly string[]): { shown: string[]; stopped: boolean } {
  const filter = createStopFilter(stops);
  const shown = pieces.map((piece) => filter.push(piece));
  return { shown: [...shown, filter.flush()], stopped: filter.stopped };
}

test("text that may become a stop string is held back until it is decided", () => {
  expect(run(["ab", "END", "x"], ["ENDE"]).shown).toEqual(["ab", "", "ENDx", ""]);
  expect(run(["ab", "EN", "DE and more", "never"], ["ENDE"])).toEqual({ shown: ["ab", "", "", "", ""], stopped: true });
  expect(run(["abE"], ["END"]).shown).toEqual(["ab", "E"]);
});

test("the earliest stop string wins", () => {
  expect(run(["one\ntwo; three"], ["; ", "\n"]).shown.join("")).toBe("one");
});

test("without stop strings text passes at once", () => {
  expect(run(["a", "b"], [])).toEqual({ shown: ["a", "b", ""], stopped: false });
});

test("however text is split, all of it up to the first complete stop string comes out, and nothing else", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), stops, (pieces, stopStrings) => {
      const prefixes = pieces.map((_, i) => pieces.slice(0, i + 1).join(""));
      const decisive = prefixes.find((text) => stopStrings.some((stop) => text.includes(stop)));
      const starts = stopStrings.map((stop) => decisive?.indexOf(stop) ?? -1).filter((at) => at >= 0);
      const { shown, stopped } = run(pieces, stopStrings);
      expect(stopped).toBe(decisive !== undefined);
      expect(shown.join("")).toBe(decisive?.slice(0, Math.min(...starts)) ?? pieces.join(""));
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test("an empty stop string is refused", () => {
  expect(() => createStopFilter([""])).toThrow(expect.objectContaining({ code: "E_USAGE" }));
});
