/** @file The programs that decode, each in a process of its own: ours and llama.cpp. */
import { fileURLToPath } from "node:url";
import type { BenchOptions } from "../support/bench.ts";
import { watchMemory } from "../support/memory.ts";
import { startPeer } from "../support/peer.ts";
import { numberOf, startScript } from "../support/worker.ts";
import type { Program } from "./decode-rounds.ts";
import { type DecodeTask, promptIds } from "./decode-task.ts";
import { goFirst } from "./memory.ts";

const ourScript = fileURLToPath(new URL("./decode-worker.ts", import.meta.url));
const peerScript = "llama_cpp_decode.py";

export const ours = (task: DecodeTask): Program => ({
  prefix: "",
  async start() {
    const { worker, ready } = await startScript(ourScript, [JSON.stringify(task)]);
    const loadMs = numberOf(ready, "openMs") + numberOf(ready, "compileMs");
    return { worker, loadMs, memory: () => worker.ask("memory"), about: {} };
  },
});

/** llama.cpp, watched from here from before it opens its file. */
export const llamaCpp = (task: DecodeTask, options: BenchOptions): Program => ({
  prefix: "llama.cpp ",
  async start() {
    const problem = { ...task, prompt: promptIds(task) };
    const { worker, description } = await startPeer(peerScript, "llama.cpp", problem, options);
    try {
      goFirst(worker.pid);
      const memory = watchMemory(worker.pid);
      const loadMs = numberOf(await worker.ask("open"), "ms");
      return { worker, loadMs, memory, about: { peer: description } };
    } catch (error) {
      await worker.close();
      throw error;
    }
  },
});
