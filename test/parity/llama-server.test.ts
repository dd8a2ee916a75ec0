/**
 * @file `loragen deploy` onto llama.cpp's own server. Runs where LORAGEN_LLAMA_SERVER names a folder with a compiled `llama-server`
 * (docs/exports.md), and is skipped elsewhere. `src/cli/commands/deploy.test.ts` holds the same against a small server of ours.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LlamaServer, startLlamaServer } from "../../bench/support/llama-server.ts";
import { runCli } from "../../src/cli/program.ts";
import { ggufAdapterFile, ggufBaseFile } from "../../src/export/gguf-adapter.ts";
import { ggufTokenizer } from "../../src/export/gguf-tokenizer.ts";
import { saveGgufModel } from "../../src/models/gguf/save.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { writeSpecialization } from "../../src/pair/specialization-file.ts";
import { recordingContext } from "../support/cli-context.ts";
import { specializationOf, writeTinyPair } from "../support/tiny-pair.ts";

const variable = "LORAGEN_LLAMA_SERVER";
const binaries = process.env[variable];
const program = join(binaries ?? "", "llama-server");
const missing =
  binaries === undefined ? `${variable} names no folder` : existsSync(program) ? undefined : `no ${program}`;

describe.skipIf(missing !== undefined)(
  missing === undefined ? "llama.cpp's server" : `llama.cpp's server (skipped: ${missing})`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "llama-server-"));
    const [pairFolder, out, base] = ["pair", "out", ggufBaseFile].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    let server: LlamaServer | undefined;
    async function serve(...more: string[]): Promise<LlamaServer> {
      await server?.[Symbol.asyncDispose]();
      const args = ["-m", base, "--ctx-size", "256", "--threads", "1", "--parallel", "1", ...more];
      server = await startLlamaServer({ path: program, of: program }, args);
      return server;
    }
    async function run(...args: string[]) {
      const { context, written } = recordingContext();
      return { status: await runCli(args, { ...context, store: join(folder, "own") }), ...written };
    }
    const deploy = ({ url }: LlamaServer, ...more: string[]) =>
      run("deploy", "triage", url, "--to", "llama.cpp", "--out", out, "--pair", pairFolder, "--threads", "1", ...more);

    beforeAll(async () => {
      await writeTinyPair(pairFolder);
      const pair = await loadPair(pairFolder);
      const about = await ggufTokenizer(join(pairFolder, "tokenizer"), pair.edge.config, undefined);
      await saveGgufModel(base, pair.edge, { type: "F32", about });
      const gates = [
        [0, 1.5, 0, -1],
        [1, 0, 0.5, 0],
      ];
      await writeSpecialization(join(folder, "triage"), specializationOf(pair, gates));
      await run("push", "triage", "--specialization", join(folder, "triage"));
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    test("is told of by its command line, started so it answers as the specialisation does, and set for all where that is wanted", async () => {
      const first = await deploy(await serve());
      const path = join(out, readdirSync(out)[0]!, ggufAdapterFile);
      expect([first.status, first.stderr]).toEqual([
        1,
        expect.stringContaining(`--lora-scaled ${path}:0, and deploy again`),
      ]);
      const started = await serve("--lora-scaled", `${path}:0`);
      const then = await deploy(started, "--json");
      expect([then.status, then.stderr]).toEqual([0, ""]);
      const told = JSON.parse(then.stdout) as { asked: number; same: number; asBase: number };
      expect([told.asked > 3, told.same, told.asBase]).toEqual([true, told.asked, 0]);
      const strengths = async () => {
        const listed = (await (await fetch(`${started.url}/lora-adapters`)).json()) as {
          path: string;
          scale: number;
        }[];
        return listed.map(({ path: at, scale }) => [at, scale]);
      };
      const unasked = async (more: object = {}) => {
        const body = JSON.stringify({
          prompt: [5, 6, 7, 8],
          n_predict: 12,
          temperature: 0,
          cache_prompt: false,
          ...more,
        });
        return (
          (await (await fetch(`${started.url}/completion`, { method: "POST", body })).json()) as { content: string }
        ).content;
      };
      const asBase = await unasked({ lora: [{ id: 0, scale: 0 }] });
      const asSpecialized = await unasked({ lora: [{ id: 0, scale: 1 }] });
      expect(asSpecialized).not.toBe(asBase);
      expect([await strengths(), await unasked()]).toEqual([[[path, 0]], asBase]); // nobody else is answered by it
      expect((await deploy(started, "--apply")).status).toBe(0);
      expect([await strengths(), await unasked()]).toEqual([[[path, 1]], asSpecialized]);
    });
  },
);
