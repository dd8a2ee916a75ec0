/** @file A folder of skills, each under its name: `math.safetensors`, or a run's output in `math/`. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { findPeft } from "../lora/find-peft.ts";
import type { Adapter } from "../lora/low-rank.ts";
import { readPeftChange } from "../lora/peft-change.ts";
import type { CacheOptions } from "../models/apply-expert.ts";
import { fusedWeights } from "../models/checkpoint.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { Model } from "../models/model.ts";
import { peftBaseOf } from "../models/peft-base.ts";
import { type Expert, requireModel } from "../svf/expert.ts";
import { expertFile, readExpert } from "../svf/expert-file.ts";
import { otherSkill } from "./first-pass.ts";
import { loraPool } from "./lora-pool.ts";
import type { SkillPool } from "./skill-pool.ts";
import { type Named, svfPool } from "./svf-pool.ts";

/** The skill of this name is not one of those that are mixed: it names them. */
export const classifierName = "classifier";
export const maxSkills = 64;

/** What skills are for. */
export type SkilledModel = {
  readonly model: FrozenModel;
  /** The same as it was opened; factors of singular values need it. */
  readonly stored?: Model;
};

type Found = Named<{ readonly svf: Expert } | { readonly lora: string }>;

/**
 * Opens all skills of a folder: of Transformer², or LoRA adapters in PEFT's format.
 * @throws E_NOT_FOUND where there is none; E_MISMATCH for one of another model, naming both hashes, and for skills of both kinds; E_LIMIT;
 * and what reading them throws
 */
export async function openSkillPool(folder: string, subject: SkilledModel, cache?: CacheOptions): Promise<SkillPool> {
  const found = await findSkills(folder);
  const isClassifier = ({ name }: { readonly name: string }) => name === classifierName;
  const experts = found.flatMap(({ name, skill }) => ("svf" in skill ? [{ name, skill: skill.svf }] : []));
  const folders = found.flatMap(({ name, skill }) => ("lora" in skill ? [{ name, skill: skill.lora }] : []));
  if (experts.length > 0 && folders.length > 0)
    throw new AppError(
      "E_MISMATCH",
      `${folder}: expected skills of one kind, found factors of singular values (${experts[0]!.name}) and LoRA adapters (${folders[0]!.name})`,
    );
  if (found.every(isClassifier))
    throw new AppError(
      "E_NOT_FOUND",
      `${folder}: expected skills: NAME.safetensors, or a run's output NAME/; found none`,
    );
  if (experts.length > 0) {
    const { stored, model } = subject;
    if (stored === undefined || stored.weights !== model.weights)
      throw new AppError("E_MISMATCH", `${folder}: skills need the model as it was opened, not one that was changed`);
    for (const { name, skill } of experts) requireModel(skill, stored.sha256, join(folder, name));
    const others = experts.filter((skill) => !isClassifier(skill));
    return svfPool(stored, others, experts.find(isClassifier)?.skill, cache);
  }
  const adapters: Named<Adapter>[] = [];
  for (const { name, skill } of folders) adapters.push({ name, skill: await readPlainLora(skill, subject.model) });
  const others = adapters.filter((adapter) => !isClassifier(adapter));
  const { config } = subject.model;
  const base = { baseName: subject.stored?.directory ?? "base model", fused: fusedWeights(config) };
  return loraPool(config.layers, others, adapters.find(isClassifier)?.skill, base);
}

/** All LoRA adapters of a folder by name. Throws E_MISMATCH for one of another kind, and as `openSkillPool`. */
export async function openLoras(folder: string, model: FrozenModel): Promise<Named<Adapter>[]> {
  const found = await findSkills(folder);
  if (found.length === 0) throw new AppError("E_NOT_FOUND", `${folder}: expected LoRA adapters in NAME/, found none`);
  const adapters: Named<Adapter>[] = [];
  for (const { name, skill } of found) {
    if (!("lora" in skill))
      throw new AppError("E_MISMATCH", `${folder}: expected LoRA adapters, found a skill of Transformer² (${name})`);
    adapters.push({ name, skill: await readPlainLora(skill.lora, model) });
  }
  return adapters;
}

async function findSkills(folder: string): Promise<Found[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw ioError(error, "read", folder);
  });
  const found: Found[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    const name = entry.name.replace(/\.safetensors$/, "");
    if (entry.name.startsWith(".") || (name === entry.name && entry.isFile())) continue;
    const skill = await openSkill(path);
    if (skill === undefined) continue;
    if (name === otherSkill)
      throw new AppError(
        "E_USAGE",
        `${path}: "${otherSkill}" is what the base model is called; name the skill otherwise`,
      );
    if (found.length === maxSkills) throw new AppError("E_LIMIT", `${folder}: more than ${maxSkills} skills`);
    found.push({ name, skill });
  }
  return found;
}

/** undefined where there is no skill. */
async function openSkill(path: string): Promise<Found["skill"] | undefined> {
  const isMissing = (error: unknown) => {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
    throw error;
  };
  const file = await expertFile(path).catch(isMissing);
  if (file !== undefined) return { svf: await readExpert(file) };
  const lora = await findPeft(path).catch(isMissing);
  return lora === undefined ? undefined : { lora };
}

/** Throws E_MISMATCH for an adapter that is more than changes of low rank: those add up, others do not. */
async function readPlainLora(folder: string, model: FrozenModel): Promise<Adapter> {
  const { adapter, whole } = await readPeftChange(folder, peftBaseOf(model));
  if (whole.size > 0)
    throw new AppError(
      "E_MISMATCH",
      `${folder}: only changes of low rank can be mixed, but it replaces ${[...whole.keys()].slice(0, 3).join(", ")}`,
    );
  return adapter;
}
