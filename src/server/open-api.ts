/** @file The OpenAPI document: made of the routes and of the schemas that requests are checked with. */
import { z } from "zod";
import { version } from "../base/version.ts";
import {
  AliasRequest,
  CertificateRequest,
  ChatRequest,
  CloudRequest,
  CompletionRequest,
  GatesRequest,
  LoadAdapterRequest,
  RollbackRequest,
  SpecializationRequest,
  UnloadAdapterRequest,
  WhyRequest,
} from "./api/schemas.ts";
import type { Scope } from "./keys.ts";

type Described = { readonly method: string; readonly path: string; readonly scope: Scope | undefined };

const bodies: Readonly<Record<string, { readonly name: string; readonly schema: z.ZodType }>> = {
  "post /v1/chat/completions": { name: "ChatRequest", schema: ChatRequest },
  "post /v1/completions": { name: "CompletionRequest", schema: CompletionRequest },
  "post /v1/cloud/chat/completions": { name: "CloudRequest", schema: CloudRequest },
  "post /v1/gates": { name: "GatesRequest", schema: GatesRequest },
  "post /v1/specializations": { name: "SpecializationRequest", schema: SpecializationRequest },
  "post /v1/specializations/:name/rollback": { name: "RollbackRequest", schema: RollbackRequest },
  "post /v1/specializations/:name/certificate": { name: "CertificateRequest", schema: CertificateRequest },
  "post /v1/specializations/:name/why": { name: "WhyRequest", schema: WhyRequest },
  "post /v1/aliases": { name: "AliasRequest", schema: AliasRequest },
  "post /v1/load_lora_adapter": { name: "LoadAdapterRequest", schema: LoadAdapterRequest },
  "post /v1/unload_lora_adapter": { name: "UnloadAdapterRequest", schema: UnloadAdapterRequest },
};

export function openApi(routes: readonly Described[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, scope } of routes) {
    const body = bodies[`${method} ${path}`];
    const address = path.replace(/:(\w+)/g, "{$1}");
    paths[address] = {
      ...paths[address],
      [method]: {
        responses: {
          "2XX": { description: "done" },
          default: { description: "an error: code and message", content: json({ $ref: "#/components/schemas/Error" }) },
        },
        ...(scope === undefined ? { security: [] } : { security: [{ key: [] }], description: `scope: ${scope}` }),
        ...(address === path
          ? {}
          : { parameters: [{ name: "name", in: "path", required: true, schema: { type: "string" } }] }),
        ...(body === undefined
          ? {}
          : { requestBody: { required: true, content: json({ $ref: `#/components/schemas/${body.name}` }) } }),
      },
    };
  }
  const schemas = Object.fromEntries(
    Object.values(bodies).map(({ name, schema }) => [
      name,
      z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }),
    ]),
  );
  return {
    openapi: "3.1.0",
    info: { title: "lora-gen", version },
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
      schemas: { ...schemas, Error: z.toJSONSchema(ErrorBody) },
    },
  };
}

const json = (schema: object) => ({ "application/json": { schema } });
const ErrorBody = z.object({
  error: z.object({ message: z.string(), type: z.string(), param: z.null(), code: z.string() }),
});
