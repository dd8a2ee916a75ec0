/** @file IA³ in PEFT's format (Liu et al. 2022): factors of what a linear map gives, or in the feed-forward block of what it reads. */
import { join } from "node:path";
import { z } from "zod";
import { ensureFolder } from "../base/folder.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { type Fused, joinedBase, joinedShapes, type PeftBase, type PeftChange, split, splitChange } from "./fused.ts";
import { requireFinite } from "./low-rank.ts";
import { refuseMismatches } from "./mismatch.ts";
import { peftFiles, peftLimits } from "./peft-config.ts";

/** Factors of one map. */
export type Ia3Factors = {
  /** Whether they multiply what the map reads (in), or what it gives (out). */
  readonly side: "inputs" | "outputs";
  readonly values: Float32Array;
};

const prefix = "base_model.model.";
const suffix = ".ia3_l";

const names = z.union([z.string(), z.array(z.string().max(peftLimits.name)).max(peftLimits.entries)]).nullish();

/** The keys that decide the result, as PEFT's IA3Config has them. */
export const Ia3Config = z.looseObject({
  peft_type: z.literal("IA3"),
  base_model_name_or_path: z.string().nullish(),
  target_modules: names,
  feedforward_modules: names,
  modules_to_save: z.null().optional(),
});

export const readIa3Config = (directory: string): Promise<z.infer<typeof Ia3Config>> =>
  readJsonFile(join(directory, peftFiles.config), Ia3Config, {
    maxBytes: peftLimits.configBytes,
    maxDepth: peftLimits.depth,
  });

/**
 * Reads the factors of such an adapter, by names of weights as the base model's files have them.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT; E_MISMATCH listing every tensor that does not fit; E_NAN naming one
 */
export async function readIa3Factors(
  directory: string,
  base: Pick<PeftBase, "shapes" | "fused">,
): Promise<Map<string, Ia3Factors>> {
  await readIa3Config(directory);
  const file = await openSafetensors(join(directory, peftFiles.weights));
  const shapes = joinedShapes(base);
  const found = new Map<string, { readonly tensor: string; readonly side: Ia3Factors["side"] }>();
  const problems: string[] = file.tensors.size === 0 ? ["it has no tensors"] : [];
  for (const { name, shape } of file.tensors.values()) {
    const module =
      name.startsWith(prefix) && name.endsWith(suffix) ? name.slice(prefix.length, -suffix.length) : undefined;
    const weight = `${module}.weight`;
    const size = module === undefined ? undefined : shapes.get(weight);
    if (module === undefined) problems.push(`${name}: no part of IA³: expected "${prefix}….ia3_l"`);
    else if (size?.length !== 2) problems.push(`${name}: the base model has no linear map ${module}`);
    else {
      const [outputs, inputs] = size as [number, number];
      if (String(shape) === `${outputs},1`) found.set(weight, { tensor: name, side: "outputs" });
      else if (String(shape) === `1,${inputs}`) found.set(weight, { tensor: name, side: "inputs" });
      else problems.push(`${name}: expected [${outputs},1] or [1,${inputs}], found [${shape}]`);
    }
  }
  refuseMismatches(directory, problems);
  const factors = new Map<string, Ia3Factors>();
  for (const [weight, { tensor, side }] of found) {
    const values = await readTensor(file, tensor);
    requireFinite(values, () => tensor);
    factors.set(weight, { side, values });
  }
  return factors;
}

/**
 * Reads such an adapter as the weights that it leaves: rows, or columns, of each map times its factors. A map's bias is scaled with its rows.
 * Throws as `readIa3Factors` and as `base` does.
 */
export async function readIa3Change(directory: string, base: PeftBase): Promise<PeftChange> {
  const stored = joinedBase(base);
  const whole = new Map<string, Float32Array>();
  for (const [weight, factors] of await readIa3Factors(directory, base)) {
    whole.set(weight, scaled(await stored.valuesOf(weight), factors));
    const bias = weight.replace(/\.weight$/, ".bias");
    if (factors.side === "outputs" && stored.shapes.has(bias))
      whole.set(
        bias,
        (await stored.valuesOf(bias)).map((value, i) => value * factors.values[i]!),
      );
  }
  return splitChange({ adapter: new Map(), whole, untiesHead: false }, base.fused);
}

/** Factors of the files' tensors, for our weights. */
export const splitFactors = (factors: ReadonlyMap<string, Ia3Factors>, fused: Fused = new Map()) =>
  new Map(
    [...factors].flatMap(([name, { side, values }]): [string, Ia3Factors][] => {
      if (side === "outputs") return split(name, values, fused).map(([part, own]) => [part, { side, values: own }]);
      return (fused.get(name) ?? [{ name }]).map((part) => [part.name, { side, values }]); // read by all parts
    }),
  );

/** @param weight (out, in) */
function scaled(weight: Float32Array, { side, values }: Ia3Factors): Float32Array {
  const inputs = side === "inputs" ? values.length : weight.length / values.length;
  return weight.map((value, i) => value * values[side === "inputs" ? i % inputs : Math.floor(i / inputs)]!);
}

/** Writes an adapter that PEFT loads. @param factors by names of weights */
export async function writeIa3(
  directory: string,
  factors: ReadonlyMap<string, Ia3Factors>,
  { baseName }: { readonly baseName: string },
): Promise<void> {
  const moduleOf = (weight: string) => weight.replace(/\.weight$/, "");
  const tensors = [...factors].map(([weight, { side, values }]) => ({
    name: `${prefix}${moduleOf(weight)}${suffix}`,
    dtype: "F32" as const,
    shape: side === "inputs" ? [1, values.length] : [values.length, 1],
    data: values,
  }));
  const lastOf = (of: readonly string[]) => [...new Set(of.map((weight) => moduleOf(weight).split(".").at(-1)!))];
  await ensureFolder(directory);
  await writeSafetensors(join(directory, peftFiles.weights), tensors, { format: "pt" });
  await writeJsonFile(join(directory, peftFiles.config), {
    peft_type: "IA3",
    task_type: "CAUSAL_LM",
    auto_mapping: null,
    base_model_name_or_path: baseName,
    revision: null,
    inference_mode: true,
    target_modules: lastOf([...factors.keys()]),
    feedforward_modules: lastOf([...factors].flatMap(([weight, { side }]) => (side === "inputs" ? [weight] : []))),
    exclude_modules: null,
    fan_in_fan_out: false,
    modules_to_save: null,
    init_ia3_weights: true,
  });
}
