/** @file The OpenAPI document: made of the routes and of the schemas that requests are checked with. */
import { z } from "zod";
import { version } from "../base/version.ts";
import {
  CertificateAnswer,
  MadeAnswer,
  NameAnswer,
  NamesAnswer,
  ReaderAnswer,
  ReadyAnswer,
  StoredAnswer,
  VersionAnswer,
} from "./api/answer-schemas.ts";
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
import { downloadFormats } from "./downloads.ts";
import type { Scope } from "./keys.ts";

type Described = { readonly method: string; readonly path: string; readonly scope: Scope | undefined };
type Named = { readonly name: string; readonly schema: z.ZodType };
type Query = { readonly about: string; readonly values?: readonly string[]; readonly isRequired?: boolean };

/** What there is to say of a route beside its address and its scope. */
type About = {
  readonly summary: string;
  readonly body?: Named;
  readonly query?: Readonly<Record<string, Query>>;
  /** The address takes NAME@VERSION too. */
  readonly takesVersion?: boolean;
  /** JSON of any form unless told otherwise. */
  readonly answer?: Named;
  /** Of the answer: JSON unless told otherwise. */
  readonly types?: readonly string[];
  /** When it is answered with 503 and the same form. */
  readonly unready?: string;
  /** Always: there is no answer but an error. */
  readonly isRefused?: boolean;
};

const certificate = { name: "CertificateAnswer", schema: CertificateAnswer };
const file = z.looseObject({ format: z.string() }).describe("a specialisation's file, as loragen specialize writes it");
const whole = ["application/json", "text/event-stream"];

/** By method and path. Exported for tests. */
export const about: Readonly<Record<string, About>> = {
  "get /healthz": { summary: "Whether it runs." },
  "get /readyz": {
    summary: "Whether it takes requests, and whether its store is reached.",
    query: { store: { about: "required: 503 where the store is out of reach", values: ["required"] } },
    answer: { name: "ReadyAnswer", schema: ReadyAnswer },
    unready: "the service is ending, or its store is out of reach and required",
  },
  "get /metrics": { summary: "Counters for Prometheus.", types: ["text/plain"] },
  "get /openapi.json": { summary: "This document." },
  "get /v1/models": { summary: "The base model and the tenant's names, as OpenAI lists models." },
  "get /v1/models/:name": {
    summary: "The base model, a name or one of its versions, as OpenAI retrieves a model.",
    takesVersion: true,
  },
  "post /v1/chat/completions": {
    summary: "A chat, whole or streamed, as OpenAI answers it.",
    body: { name: "ChatRequest", schema: ChatRequest },
    types: whole,
  },
  "post /v1/completions": {
    summary: "A text that is continued, whole or streamed, as OpenAI answers it.",
    body: { name: "CompletionRequest", schema: CompletionRequest },
    types: whole,
  },
  "post /v1/embeddings": { summary: "Always refused: the models were not trained to compare texts.", isRefused: true },
  "post /v1/cloud/chat/completions": {
    summary: "A chat with the cloud model itself, for services that have none; takes --cloud-answers.",
    body: { name: "CloudRequest", schema: CloudRequest },
    types: whole,
  },
  "get /v1/gates": {
    summary: "A hash of what reads prompts here, for services that have no cloud model.",
    answer: { name: "ReaderAnswer", schema: ReaderAnswer },
  },
  "post /v1/gates": {
    summary:
      "The cloud pass alone, for services that have no cloud model: a specialisation's file, and nothing is kept.",
    body: { name: "GatesRequest", schema: GatesRequest },
    answer: { name: "SpecializationFile", schema: file },
  },
  "post /v1/specializations": {
    summary:
      "A prompt becomes a model name: a new version of it, 201, or the one that it stands for already, 200. It may be measured at once.",
    body: { name: "SpecializationRequest", schema: SpecializationRequest },
    answer: { name: "MadeAnswer", schema: MadeAnswer },
  },
  "get /v1/specializations": {
    summary: "The tenant's names with their versions.",
    answer: { name: "NamesAnswer", schema: NamesAnswer },
  },
  "get /v1/specializations/:name": {
    summary: "A name with its versions; of NAME@VERSION the content, too.",
    takesVersion: true,
  },
  "put /v1/specializations/:name": {
    summary: "Takes in a specialisation that was made elsewhere, for the same pair.",
    body: { name: "SpecializationFile", schema: file },
    answer: { name: "StoredAnswer", schema: StoredAnswer },
  },
  "delete /v1/specializations/:name": { summary: "Removes a name with its versions and certificates." },
  "get /v1/specializations/:name/diff": {
    summary: "How it differs from another: gates, prompt, constraint, certificates.",
    query: { against: { about: "NAME or NAME@VERSION", isRequired: true } },
    takesVersion: true,
  },
  "post /v1/specializations/:name/rollback": {
    summary: "The name stands for an earlier version again.",
    body: { name: "RollbackRequest", schema: RollbackRequest },
    answer: { name: "VersionAnswer", schema: VersionAnswer },
  },
  "get /v1/specializations/:name/certificate": {
    summary: "How far a certificate is, why it failed, or what it says; 404 where there is none.",
    takesVersion: true,
    answer: certificate,
  },
  "post /v1/specializations/:name/certificate": {
    summary: "Begins to measure in the background: 202.",
    body: { name: "CertificateRequest", schema: CertificateRequest },
    takesVersion: true,
    answer: certificate,
  },
  "delete /v1/specializations/:name/certificate": {
    summary: "Ends one that is being measured, and forgets what was known.",
    takesVersion: true,
  },
  "get /v1/specializations/:name/export": {
    summary: "An export as an archive.",
    query: { format: { about: "of which tool", values: downloadFormats, isRequired: true } },
    takesVersion: true,
    types: ["application/x-tar"],
  },
  "get /v1/specializations/:name/why": {
    summary: "Gates by layer, the names likest to it, and who answers.",
    takesVersion: true,
  },
  "post /v1/specializations/:name/why": {
    summary: "The same, and how far each sentence of the prompt moves the gates.",
    body: { name: "WhyRequest", schema: WhyRequest },
    takesVersion: true,
  },
  "post /v1/aliases": {
    summary: "Another name of a name or of one of its versions.",
    body: { name: "AliasRequest", schema: AliasRequest },
    answer: { name: "NameAnswer", schema: NameAnswer },
  },
  "post /v1/load_lora_adapter": {
    summary:
      "As vLLM's: a specialisation of a folder below --adapters; without load_inplace the name must be a new one.",
    body: { name: "LoadAdapterRequest", schema: LoadAdapterRequest },
    types: ["text/plain"],
  },
  "post /v1/unload_lora_adapter": {
    summary: "As vLLM's: removes a name.",
    body: { name: "UnloadAdapterRequest", schema: UnloadAdapterRequest },
    types: ["text/plain"],
  },
};

export function openApi(routes: readonly Described[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, scope } of routes) {
    const address = path.replace(/:(\w+)/g, "{$1}");
    paths[address] = { ...paths[address], [method]: operation(scope, about[`${method} ${path}`]!, address !== path) };
  }
  const told = Object.values(about);
  const bodies = told.flatMap(({ body = [] }) => body).map((each) => component(each, "input"));
  const answers = told.flatMap(({ answer = [] }) => answer).map((each) => component(each, "output"));
  return {
    openapi: "3.1.0",
    info: { title: "lora-gen", version },
    paths,
    components: {
      securitySchemes: {
        key: {
          type: "http",
          scheme: "bearer",
          description: "of a service that was started with --keys; else none is needed",
        },
      },
      schemas: Object.assign({}, ...answers, ...bodies, component({ name: "Error", schema: ErrorBody }, "output")),
    },
  };
}

function operation(
  scope: Scope | undefined,
  { summary, body, query = {}, takesVersion, answer, types, unready, isRefused }: About,
  isNamed: boolean,
) {
  const address = takesVersion ? "NAME or NAME@VERSION" : "NAME";
  const named = { name: "name", in: "path", required: true, description: address, schema: { type: "string" } };
  const asked = Object.entries(query).map(([key, { about: description, values, isRequired = false }]) => ({
    ...{ name: key, in: "query", required: isRequired, description },
    schema: { type: "string", ...(values === undefined ? {} : { enum: values }) },
  }));
  const given = content(types ?? ["application/json"], answer);
  const parameters = [...(isNamed ? [named] : []), ...asked];
  return {
    summary,
    ...(scope === undefined
      ? { security: [] }
      : { security: [{ key: [] }], description: `Scope of the key: ${scope}.` }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: content(["application/json"], body) } }),
    responses: {
      ...(isRefused ? {} : { "2XX": { description: "done", content: given } }),
      ...(unready === undefined ? {} : { 503: { description: unready, content: given } }),
      default: { description: "an error: code and message", content: content(["application/json"], { name: "Error" }) },
    },
  };
}

const content = (types: readonly string[], named: Pick<Named, "name"> | undefined) =>
  Object.fromEntries(
    types.map((type) => [type, named === undefined ? {} : { schema: { $ref: `#/components/schemas/${named.name}` } }]),
  );

/** A schema under its name. What it refers to within itself stands beside it: a document has one place for all. */
function component({ name, schema }: Named, io: "input" | "output"): Record<string, object> {
  const text = JSON.stringify(z.toJSONSchema(schema, { io, unrepresentable: "any" }));
  const {
    $schema: _,
    $defs: parts = {},
    ...own
  } = JSON.parse(text.replaceAll('"#/$defs/', `"#/components/schemas/${name}.`)) as Record<string, object>;
  return { [name]: own, ...Object.fromEntries(Object.entries(parts).map(([part, each]) => [`${name}.${part}`, each])) };
}

const ErrorBody = z.object({
  error: z.object({ message: z.string(), type: z.string(), param: z.null(), code: z.string() }),
});
