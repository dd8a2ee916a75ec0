/** @file JSON files: read with bounds and a schema, written atomically. */
import type { z } from "zod";
import { writeFileAtomic } from "./atomic-file.ts";
import { checkSchema, type JsonLimits, jsonLimits, parseJson, type SchemaOptions } from "./json.ts";
import { readFileBounded } from "./read-file.ts";
import { decodeUtf8 } from "./utf8.ts";

/** Reads, parses and checks a file. Throws E_NOT_FOUND, E_IO, E_LIMIT, E_FORMAT, or `code` when the schema fails. */
export async function readJsonFile<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  { code = "E_FORMAT", ...limits }: JsonLimits & Pick<SchemaOptions, "code"> = {},
): Promise<z.infer<Schema>> {
  const text = decodeUtf8(await readFileBounded(path, limits.maxBytes ?? jsonLimits.maxBytes), path);
  return checkSchema(parseJson(text, { what: path, ...limits }), schema, { what: path, code });
}

/** Writes a value as indented JSON, atomically. Throws E_IO. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
