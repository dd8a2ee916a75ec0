/** @file Bodies of requests: bounded, parsed and checked once. */
import type { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import { neutral } from "./api/schemas.ts";
import type { RouteContext } from "./services.ts";

/** Of a whole body. */
export const maxBodyBytes = 4 * 2 ** 20;

/** Throws E_LIMIT for what is too large, E_FORMAT for what is no JSON, E_CONFIG for what does not fit the schema, naming the keys. */
export async function readBody<Schema extends z.ZodType>(c: RouteContext, schema: Schema): Promise<z.infer<Schema>> {
  const json = parseJson(await readText(c, maxBodyBytes), { what: "body", maxBytes: maxBodyBytes });
  if (json !== null && typeof json === "object" && !Array.isArray(json))
    for (const [key, allowed] of Object.entries(neutral)) {
      const value = json[key];
      if (value !== undefined && !allowed.includes(value) && !isEmpty(value))
        throw new AppError("E_USAGE", `body: ${key}: not supported; leave it out`);
    }
  return checkSchema(json, schema, { what: "body", code: "E_CONFIG" });
}

const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === "object" && Object.keys(value as object).length === 0);

/** A body as it is. Throws E_LIMIT as soon as it is larger than that, E_FORMAT where it is no UTF-8. */
export const readText = async (c: RouteContext, maxBytes: number): Promise<string> =>
  decodeUtf8(await readBounded(c.req.raw, maxBytes), "body");

async function readBounded(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new AppError("E_LIMIT", `body: expected at most ${maxBytes} bytes, found more`);
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of request.body ?? []) {
      bytes += part.byteLength;
      if (bytes > maxBytes) throw tooLarge();
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("E_INTERRUPTED", "body: the client went away before its end", { cause: error });
  }
  return Buffer.concat(parts);
}
