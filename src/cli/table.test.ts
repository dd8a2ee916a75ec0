import { expect, test } from "vitest";
import { formatTable } from "./table.ts";

test("columns are as wide as their widest cell; numbers stand on the right", () => {
  const table = formatTable(
    [{ title: "task" }, { title: "n", align: "right" }],
    [
      ["router", "5"],
      ["slots", "120"],
    ],
  );
  expect(table.split("\n")).toEqual(["task      n", "──────  ───", "router    5", "slots   120"]);
});

test("long cells are wrapped at spaces, else behind joints, else anywhere", () => {
  const wrapped = (text: string) => formatTable([{ title: "", maxWidth: 8 }], [[text]]).split("\n");
  expect(wrapped("one two three")).toEqual(["one two", "three"]);
  expect(wrapped("ingredient_list")).toEqual(["ingredie", "nt_list"]);
  expect(wrapped("cook_time_long")).toEqual(["cook_", "time_", "long"]);
  expect(wrapped("")).toEqual([""]);
});

test("paint is applied to padded text, so that colours do not move columns", () => {
  const paint = (text: string) => `<${text}>`;
  expect(
    formatTable(
      [{ title: "" }, { title: "" }],
      [
        [{ text: "a", paint }, "b"],
        ["long", "b"],
      ],
    ),
  ).toBe("<a   >  b\nlong  b");
});

test("control characters cannot reach the terminal", () => {
  expect(formatTable([{ title: "" }], [["a\u001b[2Jb\nc\u0007"]])).toBe("a·[2Jb⏎c·");
});
