import { expect, test } from "vitest";
import { limitRefusals } from "./refusal-log.ts";
import type { LogLine } from "./services.ts";

const line: LogLine = { at: "", level: "warn", request: "1", method: "GET", route: "unknown", status: 404, ms: 0 };

test("a minute has as many lines as it may, and the next one says how many were left out", () => {
  let time = 0;
  const written: LogLine[] = [];
  const write = limitRefusals(
    (one) => written.push(one),
    () => time,
    { linesPerMinute: 3 },
  );
  for (let n = 0; n < 10; n++) write(line);
  expect(written).toEqual([line, line, line]);
  time += 20_000; // a third of a minute: one more
  write(line);
  write(line);
  time += 600_000; // however long it was quiet, no more than a minute's at once
  for (let n = 0; n < 10; n++) write(line);
  expect(written.slice(3)).toEqual([{ ...line, leftOut: 7 }, { ...line, leftOut: 1 }, line, line]);
});

test("an address is shown in part, and without what looks like a key", () => {
  const written: LogLine[] = [];
  const write = limitRefusals(
    (one) => written.push(one),
    () => 0,
  );
  write({ ...line, path: "/v1/lg-abc_DEF-123/x" });
  write({ ...line, path: `/${"a".repeat(1000)}` });
  expect(written.map(({ path }) => path)).toEqual(["/v1/lg-…/x", `/${"a".repeat(99)}`]);
});
