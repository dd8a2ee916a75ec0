/** @file What a PEFT adapter (LoRA, DoRA, IA³) makes of its base model: as PEFT 0.21 applies it, all of it, or refused with every reason. */
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { openSafetensors, readTensor, type SafetensorsFile, type TensorInfo } from "../files/safetensors.ts";
import { joinedBase, type PeftBase, type PeftChange, splitChange } from "./fused.ts";
import { readIa3Change } from "./ia3-format.ts";
import { type LowRank, requireFinite, transpose } from "./low-rank.ts";
import { refuseMismatches } from "./mismatch.ts";
import { type AdapterConfig, peftFiles, readPeftConfig, readPeftKind, requireApplicable } from "./peft-config.ts";
import { type PeftTargets, peftTargets } from "./peft-targets.ts";
import { groupTensors, type ModuleTensors, type PeftTensors } from "./peft-tensors.ts";

const head = "lm_head";
const headWeight = `${head}.weight`;

/**
 * Reads an adapter.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT; E_CONFIG for a kind of adapter that is not merged here, saying what to do; E_MISMATCH listing every
 * module and tensor that does not fit; E_NAN naming a tensor; and as `base` does
 */
export async function readPeftChange(directory: string, base: PeftBase): Promise<PeftChange> {
  const where = join(directory, peftFiles.config);
  if ((await readPeftKind(directory)) === "IA3") return readIa3Change(directory, base);
  const config = await readPeftConfig(directory);
  requireApplicable(where, config);
  const file = await openSafetensors(join(directory, peftFiles.weights));
  const stored = joinedBase(base);
  const plan = planChange(where, config, groupTensors(file), stored.shapes);
  refuseMismatches(directory, plan.problems);
  return splitChange(await compute(plan, file, stored), base.fused);
}

/** What DoRA adds to a weight: (D − 1) W + D B A, with D = m / ‖W + B A‖ of each row. */
export type DoraChange = {
  /** D B A. */
  readonly change: LowRank;
  /** D (out). */
  readonly rows: Float32Array;
};

/**
 * Reads a DoRA as what it adds, by names of weights.
 * @throws E_MISMATCH where it is more than a DoRA of linear maps, or the base model's files hold several maps in one; and as `readPeftChange`
 */
export async function readDora(directory: string, base: PeftBase): Promise<Map<string, DoraChange>> {
  const where = join(directory, peftFiles.config);
  const config = await readPeftConfig(directory);
  requireApplicable(where, config);
  const file = await openSafetensors(join(directory, peftFiles.weights));
  const { problems, tensors, targets, adapted } = planChange(where, config, groupTensors(file), base.shapes);
  const more = [...tensors.whole.keys(), ...tensors.rows.keys(), ...(base.fused ?? new Map()).keys()];
  more.push(...adapted.filter((module) => !base.shapes.has(`${module}.weight`))); // a head that is the embedding
  for (const [module, { bias, baseWeight, baseBias }] of tensors.modules)
    if ((bias ?? baseWeight ?? baseBias) !== undefined) more.push(module);
  refuseMismatches(directory, [...problems, ...more.map((name) => `${name}: more than the DoRA of one linear map`)]);
  const found = new Map<string, DoraChange>();
  for (const module of adapted) {
    const name = `${module}.weight`;
    const [outputs, inputs] = base.shapes.get(name) as [number, number];
    const tensorsOf = tensors.modules.get(module)!;
    const read = (info: TensorInfo) => readFinite(file, info);
    const sizes = { rank: targets.rankOf(module), factor: targets.factorOf(module), inputs, outputs };
    const change = await lowRank(tensorsOf, sizes, read);
    const lengths = rowLengths(await base.valuesOf(name), change);
    const rows = (await read(tensorsOf.magnitude!)).map((magnitude, i) => magnitude / lengths[i]!);
    requireFinite(rows, () => `${name}, changed`);
    found.set(name, { rows, change: { ...change, b: change.b.map((value, i) => value * rows[i % outputs]!) } });
  }
  return found;
}

/** The lengths (out) of the rows of W + B A. */
export function rowLengths(weight: Float32Array, change: LowRank): Float32Array {
  const sum = addProduct(weight, change, undefined);
  return Float32Array.from({ length: change.outputs }, (_, row) =>
    Math.sqrt(sum.subarray(row * change.inputs, (row + 1) * change.inputs).reduce((all, x) => all + x * x, 0)),
  );
}

type Plan = {
  readonly config: AdapterConfig;
  readonly tensors: PeftTensors;
  readonly targets: PeftTargets;
  readonly adapted: readonly string[];
  readonly embedding: string;
  readonly isTied: boolean;
  readonly problems: readonly string[];
};

/** Compares what the configuration asks for, what the file has and what the base model is. */
function planChange(
  where: string,
  config: AdapterConfig,
  tensors: PeftTensors,
  shapes: ReadonlyMap<string, readonly number[]>,
): Plan {
  const isTied = !shapes.has(headWeight);
  const embeddingWeight = [...shapes.keys()].find((name) => name.endsWith("embed_tokens.weight")) ?? "";
  const embedding = embeddingWeight.replace(/\.weight$/, "");
  const targets = peftTargets(config, where, embedding);
  const shapeOf = (name: string) => shapes.get(name === headWeight && isTied ? embeddingWeight : name);
  const names = [...shapes.keys(), ...(isTied ? [headWeight] : [])].filter((name) => name.endsWith(".weight"));
  const modules = names.filter((name) => shapeOf(name)?.length === 2).map((name) => name.slice(0, -".weight".length));
  const isTogether = isTied && config.ensure_weight_tying === true;
  const chosen = new Set(modules.filter(targets.isTarget));
  if (isTogether && (chosen.has(head) || chosen.has(embedding))) for (const name of [head, embedding]) chosen.add(name);
  const adapted = [...chosen];
  const problems = [
    ...tensors.problems,
    ...adapted.flatMap((module) =>
      checkModule(module, tensors.modules.get(module), shapeOf(`${module}.weight`)!, {
        config,
        rank: targets.rankOf(module),
        isEmbedding: module === embedding,
        hasBias: shapes.has(`${module}.bias`),
      }),
    ),
    ...strayModules(tensors, chosen, new Set(modules)),
    ...unusedTargets(config, [...tensors.modules.keys()]),
    ...checkWhole({ config, tensors, targets, embedding, isTied, shapes, shapeOf, chosen }),
    ...checkRows(tensors, targets, shapeOf, chosen),
  ];
  return { config, tensors, targets, adapted, embedding, isTied, problems };
}

type ModuleFacts = {
  readonly config: AdapterConfig;
  readonly rank: number;
  readonly isEmbedding: boolean;
  readonly hasBias: boolean;
};

function checkModule(
  module: string,
  found: ModuleTensors | undefined,
  shape: readonly number[],
  { config, rank, isEmbedding, hasBias }: ModuleFacts,
): string[] {
  if (module.endsWith("embed_positions")) return [`${module}: a table of positions, which cannot be adapted`];
  if (found === undefined) return [`${module}: named as a target, but no tensor belongs to it`];
  const { A, B, bias, magnitude, baseWeight, baseBias } = found;
  if (found.isEmbedding !== isEmbedding)
    return [`${module}: has tensors of ${isEmbedding ? "a linear map" : "an embedding"}, which it is not`];
  const [a, b] = isEmbedding ? ["lora_embedding_A", "lora_embedding_B"] : ["lora_A", "lora_B"];
  if (A === undefined || B === undefined)
    return [`${module}: has ${A === undefined ? `${b} but no ${a}` : `${a} but no ${b}`}`];
  const [outputs, inputs] = shape as [number, number];
  const problems: string[] = [];
  const isTable = isEmbedding || module === head;
  const check = (part: string, info: TensorInfo | undefined, wanted: readonly number[]) => {
    if (info !== undefined && String(info.shape) !== String(wanted))
      problems.push(
        `${module}: ${part} should be [${wanted}], found [${info.shape}]${isTable ? longerTable(info, wanted) : ""}`,
      );
  };
  check(a!, A, isEmbedding ? [rank, outputs] : [rank, inputs]);
  check(b!, B, isEmbedding ? [inputs, rank] : [outputs, rank]);
  check("lora_B.bias", bias, [outputs]);
  check("lora_magnitude_vector", magnitude, [outputs]);
  check("base_layer.weight", baseWeight, shape);
  check("base_layer.bias", baseBias, [outputs]);
  const says = (key: string, is: boolean, tensor: string, has: boolean) => {
    if (is && !has) problems.push(`${module}: ${key} is set, but it has no ${tensor}`);
    if (!is && has) problems.push(`${module}: has a ${tensor}, but ${key} is not set: PEFT would drop it`);
  };
  if (isEmbedding && config.use_dora === true)
    problems.push(`${module}: DoRA of an embedding is not supported: merge it with PEFT (\`merge_and_unload\`)`);
  else says("use_dora", config.use_dora === true, "lora_magnitude_vector", magnitude !== undefined);
  if (!isEmbedding) says("lora_bias", config.lora_bias === true, "lora_B.bias", bias !== undefined);
  if (bias !== undefined && !hasBias)
    problems.push(`${module}: has a lora_B.bias, but the base model's map has no bias to add it to`);
  const keepsBias = hasBias && (config.bias === "all" || config.bias === "lora_only");
  says(`bias "${config.bias ?? "none"}"`, keepsBias, "base_layer.bias", baseBias !== undefined);
  return problems;
}

/** What to do about rows beyond the base model's vocabulary. */
function longerTable({ shape }: TensorInfo, wanted: readonly number[]): string {
  const [rows, more] = [wanted[0]!, shape[0] ?? 0];
  if (wanted.length !== 2 || shape.length !== 2 || shape[1] !== wanted[1] || more === rows) return "";
  return `: the adapter was trained with a vocabulary of ${more}, the base model has ${rows}; save the base model again after \`model.resize_token_embeddings(${more})\`, with the adapter's tokenizer, and merge into that`;
}

/** Tensors of modules that get none. */
function strayModules({ modules }: PeftTensors, chosen: ReadonlySet<string>, known: ReadonlySet<string>): string[] {
  return [...modules.keys()]
    .filter((module) => !chosen.has(module))
    .map((module) =>
      known.has(module)
        ? `${module}: has tensors, but by target_modules, layers_to_transform, exclude_modules and modules_to_save it is not adapted: PEFT would drop them; name it there, or take them out`
        : `${module}: the base model has no such module`,
    );
}

/** Names of targets that no tensor belongs to. */
function unusedTargets({ target_modules: targets }: AdapterConfig, modules: readonly string[]): string[] {
  if (!Array.isArray(targets)) return [];
  const isOf = (module: string, target: string) => module === target || module.endsWith(`.${target}`);
  return targets
    .filter((target) => !modules.some((module) => isOf(module, target)))
    .map((target) => `${target}: named as a target, but no tensor belongs to it`);
}

type WholeFacts = Pick<Plan, "config" | "tensors" | "targets" | "embedding" | "isTied"> & {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly shapeOf: (name: string) => readonly number[] | undefined;
  readonly chosen: ReadonlySet<string>;
};

const moduleOf = (parameter: string): string => parameter.replace(/\.(weight|bias)$/, "");

/** Parameters saved whole: those that the configuration says, all of them, in the base model's shapes. */
function checkWhole({ config, tensors, targets, embedding, isTied, shapes, shapeOf, chosen }: WholeFacts): string[] {
  const problems: string[] = [];
  const { modules_to_save: saved } = config;
  const tables: readonly string[] = [`${embedding}.weight`, headWeight];
  const isBias = (name: string) => name.endsWith(".bias") && config.bias === "all" && !chosen.has(moduleOf(name));
  for (const [name, info] of tensors.whole) {
    const shape = shapeOf(name);
    if (shape === undefined) problems.push(`${info.name}: the base model has no ${name}`);
    else if (String(shape) !== String(info.shape))
      problems.push(
        `${name}: should be [${shape}], found [${info.shape}]${tables.includes(name) ? longerTable(info, shape) : ""}`,
      );
    else if (chosen.has(moduleOf(name)))
      problems.push(`${info.name}: saved whole, though the module is adapted: expected base_layer in its name`);
    else if (!targets.isSavedWhole(moduleOf(name)) && !tables.includes(name) && !isBias(name))
      problems.push(`${info.name}: saved whole, but modules_to_save does not name it: name it there, or take it out`);
  }
  for (const name of [...shapes.keys(), ...(isTied ? [headWeight] : [])]) {
    const isNamed = targets.isSavedWhole(moduleOf(name));
    if (!tensors.whole.has(name) && !chosen.has(moduleOf(name)) && (isNamed || isBias(name)))
      problems.push(`${name}: ${isNamed ? "modules_to_save" : "bias"} says that it is saved, but the file has none`);
    if (isNamed && chosen.has(moduleOf(name))) problems.push(`${name}: both adapted and named in modules_to_save`);
  }
  const known = [...shapes.keys(), headWeight].map(moduleOf);
  for (const name of saved ?? [])
    if (!known.some((module) => parentsEnd(module, name)))
      problems.push(`${name}: named in modules_to_save, but the base model has no such module`);
  return problems;
}

const parentsEnd = (module: string, name: string): boolean =>
  module.split(".").some((_, i, parts) =>
    parts
      .slice(0, i + 1)
      .join(".")
      .endsWith(name),
  );

/** Rows of the embedding or of the head, each once. */
function checkRows(
  { rows, whole }: PeftTensors,
  targets: PeftTargets,
  shapeOf: (name: string) => readonly number[] | undefined,
  chosen: ReadonlySet<string>,
): string[] {
  const problems: string[] = [];
  for (const [module, info] of rows) {
    const [shape, ids] = [shapeOf(`${module}.weight`), targets.savedRowsOf(module)];
    if (shape?.length !== 2) problems.push(`${module}: the base model has no such table`);
    else if (ids === undefined)
      problems.push(`${info.name}: trainable_token_indices does not name ${module}: PEFT would drop it`);
    else {
      const wanted = [ids.length, shape[1]];
      if (String(info.shape) !== String(wanted))
        problems.push(`${info.name}: should be [${wanted}] by trainable_token_indices, found [${info.shape}]`);
      if (new Set(ids).size < ids.length) problems.push(`trainable_token_indices of ${module}: one stands there twice`);
      const beyond = ids.find((id) => id >= shape[0]!);
      if (beyond !== undefined)
        problems.push(
          `trainable_token_indices of ${module}: ${beyond}, but the base model has ${shape[0]} tokens; resize it first (\`resize_token_embeddings\`)`,
        );
      if (chosen.has(module) || whole.has(`${module}.weight`))
        problems.push(`${module}: has trained tokens, and is adapted or saved whole too`);
    }
  }
  for (const name of targets.savedRowModules)
    if (![...rows.keys()].some((module) => module.endsWith(name)))
      problems.push(`${name}: trainable_token_indices names it, but the file has no trained tokens of it`);
  return problems;
}

/** The values, once all fits. */
async function compute(plan: Plan, file: SafetensorsFile, base: PeftBase): Promise<PeftChange> {
  const { config, tensors, targets, adapted, embedding, isTied } = plan;
  const embeddingWeight = `${embedding}.weight`;
  const read = (info: TensorInfo) => readFinite(file, info);
  const inBase = (name: string) => (name === headWeight && isTied ? embeddingWeight : name);
  const adapter = new Map<string, LowRank>();
  const whole = new Map<string, Float32Array>();
  const put = async (name: string, values: Float32Array) => {
    if (await base.isSame(inBase(name), values)) whole.delete(name);
    else whole.set(name, values);
  };
  for (const [name, info] of tensors.whole) await put(name, await read(info));
  for (const [module, info] of tensors.rows) {
    const name = `${module}.weight`;
    const rows = await read(info);
    const table = (await base.valuesOf(inBase(name))).slice();
    const width = info.shape[1]!;
    targets.savedRowsOf(module)!.forEach((id, i) => {
      table.set(rows.subarray(i * width, (i + 1) * width), id * width);
    });
    await put(name, table);
  }
  for (const module of adapted) {
    const name = `${module}.weight`;
    const found = tensors.modules.get(module)!;
    const [outputs, inputs] = base.shapes.get(inBase(name)) as [number, number];
    const rank = targets.rankOf(module);
    const change = await lowRank(found, { rank, factor: targets.factorOf(module), inputs, outputs }, read);
    if (found.baseWeight !== undefined) await put(name, await read(found.baseWeight));
    const saved = whole.get(name);
    if (found.baseBias !== undefined) await put(`${module}.bias`, await read(found.baseBias));
    if (found.bias !== undefined) {
      const bias = (whole.get(`${module}.bias`) ?? (await base.valuesOf(`${module}.bias`))).slice();
      const added = await read(found.bias);
      for (let i = 0; i < bias.length; i++) bias[i]! += added[i]! * targets.factorOf(module);
      await put(`${module}.bias`, bias);
    }
    const isTable = module === embedding || (module === head && isTied);
    if (saved === undefined && config.use_dora !== true && !isTable) adapter.set(name, change);
    else {
      const magnitude = found.magnitude === undefined ? undefined : await read(found.magnitude);
      const sum = addProduct(saved ?? (await base.valuesOf(inBase(name))), change, magnitude);
      requireFinite(sum, () => `${name}, changed`);
      await put(name, sum);
    }
  }
  return settleHead(plan, adapter, whole);
}

/**
 * Where a base model's head is its embedding, whether it stays so. Trained tokens, what is saved because it was resized, and
 * `ensure_weight_tying` mean the one weight; PEFT makes two of all else.
 */
function settleHead(
  { config, tensors, targets, embedding, isTied }: Plan,
  adapter: Map<string, LowRank>,
  whole: Map<string, Float32Array>,
): PeftChange {
  const [table, headTable] = [whole.get(`${embedding}.weight`), whole.get(headWeight)];
  if (!isTied || (table === undefined && headTable === undefined)) return { adapter, whole, untiesHead: false };
  const isStated = (module: string) =>
    tensors.whole.has(`${module}.weight`) || tensors.modules.has(module) || tensors.rows.has(module);
  const isResized = (module: string) => tensors.whole.has(`${module}.weight`) && !targets.isSavedWhole(module);
  const meansOne =
    config.ensure_weight_tying === true ||
    isResized(embedding) ||
    isResized(head) ||
    (tensors.rows.has(embedding) && !tensors.rows.has(head));
  const isAlike = table !== undefined && headTable !== undefined && isEqual(table, headTable);
  if (meansOne && !isAlike && isStated(embedding) && isStated(head))
    throw new AppError(
      "E_MISMATCH",
      `the base model's head is its embedding, and the adapter changes ${embedding} and ${head} differently, which PEFT does not keep apart here: save it again with one of them`,
    );
  if (!meansOne && !isAlike) return { adapter, whole, untiesHead: true };
  whole.delete(headWeight);
  whole.set(`${embedding}.weight`, (table ?? headTable)!);
  return { adapter, whole, untiesHead: false };
}

const isEqual = (a: Float32Array, b: Float32Array): boolean => a.every((value, i) => value === b[i]);

type Sizes = { readonly rank: number; readonly factor: number; readonly inputs: number; readonly outputs: number };

/** B·A of a module, its factor in B. Of an embedding, whose weight has a row for each token, both sides are turned. */
async function lowRank(
  { A, B, isEmbedding }: ModuleTensors,
  { rank, factor, inputs, outputs }: Sizes,
  read: (info: TensorInfo) => Promise<Float32Array>,
): Promise<LowRank> {
  const [left, right] = [await read(A!), await read(B!)];
  const a = isEmbedding ? transpose(right, inputs, rank) : left;
  const b = isEmbedding ? left : transpose(right, outputs, rank);
  for (let i = 0; i < b.length; i++) b[i]! *= factor;
  requireFinite(b, () => `${B!.name}, times its factor ${factor}`);
  return { rank, inputs, outputs, a, b };
}

/**
 * W + B·A, or with DoRA's magnitudes m the rows of that sum at these lengths: m_i · row_i / ‖row_i‖ (Liu et al. 2024, eq. 5).
 * @param weight (out, in)
 */
function addProduct(
  weight: Float32Array,
  { rank, inputs, outputs, a, b }: LowRank,
  magnitude: Float32Array | undefined,
): Float32Array {
  const sum = new Float32Array(weight.length);
  const row = new Float64Array(inputs);
  for (let output = 0; output < outputs; output++) {
    const start = output * inputs;
    for (let i = 0; i < inputs; i++) row[i] = weight[start + i]!;
    for (let r = 0; r < rank; r++) {
      const factor = b[r * outputs + output]!;
      if (factor === 0) continue;
      const from = r * inputs;
      for (let i = 0; i < inputs; i++) row[i]! += factor * a[from + i]!;
    }
    let length = 1;
    if (magnitude !== undefined) {
      let squares = 0;
      for (let i = 0; i < inputs; i++) squares += row[i]! * row[i]!;
      length = magnitude[output]! / Math.sqrt(squares);
    }
    for (let i = 0; i < inputs; i++) sum[start + i] = row[i]! * length;
  }
  return sum;
}

async function readFinite(file: SafetensorsFile, info: TensorInfo): Promise<Float32Array> {
  const values = await readTensor(file, info.name);
  requireFinite(values, () => info.name);
  return values;
}
