import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { randomAdapter } from "../../test/support/random-adapter.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { openSafetensors } from "../files/safetensors.ts";
import { readPeft, writePeft } from "../lora/peft-format.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { fusedWeights } from "./checkpoint.ts";
import { mergeAdapter } from "./merge-adapter.ts";
import { parameterShapes } from "./parameters.ts";

const folder = mkdtempSync(join(tmpdir(), "fused-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("changes of q, k and v are one change of Phi 3's tensor in a PEFT file, and the same changes when read", async () => {
  const { config, weights } = randomLlama({ modelType: "phi3" });
  const adapter = randomAdapter(config, { targets: ["q", "v", "gate", "up", "down"] });
  const fused = fusedWeights(config);
  await writePeft(folder, adapter, { baseName: "phi", fused });
  const { tensors } = await openSafetensors(join(folder, "adapter_model.safetensors"));
  const name = "base_model.model.model.layers.0.self_attn.qkv_proj.lora_B.weight";
  expect(tensors.get(name)?.shape).toEqual([(4 + 2 + 2) * 8, 8]); // the ranks of q and v, none of k
  expect(
    [...tensors.keys()].filter((key) => /[qkv]_proj\.lora|gate_proj|\.up_proj/.test(key.replace("qkv_proj", ""))),
  ).toEqual([]);
  const read = await readPeft(folder, parameterShapes(config), fused);
  const [wanted, found] = [await mergeAdapter(weights, adapter), await mergeAdapter(weights, read)];
  for (const weight of parameterShapes(config).keys())
    expect(distance(await readWeight(found[weight]!), await readWeight(wanted[weight]!)), weight).toBeLessThan(1e-6);
});
