/** @file What a `config.json` says, checked by its architecture. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig, ModelType } from "./config.ts";

/** The shape of a model. `where` names the file in errors. Throws E_ARCHITECTURE, E_FORMAT, E_CONFIG. */
export function parseModelConfig(where: string, json: unknown): ModelConfig {
  const { model_type: type } = checkSchema(json, z.looseObject({ model_type: z.string() }), { what: where });
  if (!Object.hasOwn(architectures, type))
    throw new AppError(
      "E_ARCHITECTURE",
      `${where}: model_type "${type}" is not supported; expected one of: ${Object.keys(architectures).join(", ")}`,
    );
  return architectures[type as ModelType].parseConfig(where, json);
}
