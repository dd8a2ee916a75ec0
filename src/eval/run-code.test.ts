import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { beforeAll, describe, expect, test } from "vitest";
import { type CodeRunner, createCodeRunner } from "./run-code.ts";
import { rescored, scoreLine } from "./scorers/table.ts";

const hasPython = (() => {
  try {
    execFileSync("python3", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

test("what is no Python is told before anything runs", async () => {
  await expect(createCodeRunner("no-such-python")).rejects.toMatchObject({
    code: "E_USAGE",
    message: expect.stringContaining('"no-such-python"') as unknown,
  });
});

describe.skipIf(!hasPython)("a program that a model wrote", () => {
  let runner: CodeRunner;
  beforeAll(async () => {
    runner = await createCodeRunner("python3", { timeMs: 5000, memoryBytes: 2 ** 28 });
  });

  test.each([
    ["comes to its end", "assert 1 + 1 == 2", { passed: true, reason: "passed" }],
    ["fails a test", "assert 1 + 1 == 3, 'no'", { passed: false, reason: "AssertionError: no" }],
    ["cannot be read", "def f(:", { passed: false, reason: "SyntaxError: invalid syntax" }],
    [
      "ends before its tests",
      "import os\nos._exit(0)\nassert False",
      { passed: false, reason: "ended before its last line" },
    ],
    ["takes too much memory", "x = bytearray(2 ** 30)", { passed: false, reason: "MemoryError" }],
    ["writes too large a file", "f = open('big', 'wb')\nf.write(bytes(2 ** 25))\nf.close()", { passed: false }],
    ["prints without end of line", "print('x' * 100000, end='')", { passed: true }],
  ])("that %s is told so", async (_, program, wanted) => {
    expect(await runner.run(program)).toMatchObject(wanted);
  });

  test("that never ends is ended, and so is what it started; nothing of it stays", async () => {
    const before = readdirSync(tmpdir());
    const quick = await createCodeRunner("python3", { timeMs: 700 });
    const program = "import subprocess\nsubprocess.Popen(['sleep', '77.25'])\nwhile True: pass";
    expect(await quick.run(program)).toEqual({ passed: false, reason: "took longer than 0.7 s" });
    const commands = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const running = commands.filter((id) => {
      try {
        return execFileSync("cat", [`/proc/${id}/cmdline`], { stdio: ["ignore", "pipe", "ignore"] }).includes("77.25");
      } catch {
        return false;
      }
    });
    expect(running).toEqual([]);
    const left = readdirSync(tmpdir()).filter((name) => name.startsWith("loragen-code-") && !before.includes(name));
    expect(left).toEqual([]);
  });

  test("has no network where the system can take it away", async () => {
    const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const connect = `import socket\nsocket.create_connection(("127.0.0.1", ${port}), 2).close()`;
    const { passed } = await runner.run(connect);
    server.close();
    expect(passed).toBe(!runner.isIsolated);
  });

  const line = { finish: "stop", target: "assert double(4) == 8" } as const;

  test("scores 1 where it passes the target's tests, with the code out of a Markdown answer or in the target's place", async () => {
    const scoreOf = async (answer: string, target: string = line.target) =>
      (await scoreLine({ ...line, answer, target }, ["code-run"], runner.run)).scores["code-run"]!.score;
    const right = "def double(x):\n    return 2 * x\n";
    expect(await scoreOf(right)).toBe(1);
    expect(await scoreOf(`Here it is:\n\`\`\`python\n${right}\`\`\`\nDone.`)).toBe(1);
    expect(await scoreOf("    return x + x", "def double(x):\n{{answer}}\nassert double(4) == 8")).toBe(1);
    expect(await scoreOf("def double(x):\n    return x\n")).toBe(0);
  });
});

test("without leave nothing is run: a question is refused, and a log keeps the score it has", async () => {
  const asked = { finish: "stop", answer: "1", target: "assert True" } as const;
  await expect(scoreLine(asked, ["code-run"])).rejects.toMatchObject({ code: "E_USAGE" });
  const scores = { "code-run": { score: 1, reason: "passed" }, exact: { score: 1, reason: "stale" } };
  const logged = { ...asked, scorer: "code-run", scores } as unknown as Parameters<typeof rescored>[0];
  expect((await rescored(logged)).scores).toEqual({
    ...scores,
    exact: { score: 0, reason: expect.any(String) as unknown },
  });
});
