/** @file Names and what they stand for: made of a prompt, listed, compared, taken back, removed. */
import { createHmac } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { findConstraint } from "../../constraint/find.ts";
import { type ConstraintSpec, labelsSpec, schemaSpec } from "../../constraint/spec.ts";
import { languageWarnings, unlikeWarnings } from "../../pair/prompt-warnings.ts";
import { encodeSpecialization, requireSamePair, type Specialization } from "../../pair/specialization.ts";
import { renderSystemPrompt } from "../../text/prompt.ts";
import { AliasRequest, GatesRequest, RollbackRequest, SpecializationRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import type { CloudPass, RouteContext, Services } from "../services.ts";
import { diffSpecializations } from "../store/diff.ts";
import { notFoundIfNoName, requireName } from "../store/names.ts";
import type { StoredName } from "../store/store.ts";
import { diffCertificates } from "../trust/certificate-diff.ts";
import { checkAsked } from "../trust/measure.ts";
import { within } from "../within.ts";
import { beginUnlessKnown, inputsOf, measurementOf } from "./certificates.ts";

const described = ({ format: _, ...rest }: StoredName) => rest;

/** As OpenAI tells of a model; `root` is what a name stands for, `parent` the base model, as vLLM tells of adapters. */
const cardOf = (id: string, root: string, parent: string | null, at?: string) => ({
  ...{ id, object: "model", created: at === undefined ? 0 : Math.floor(Date.parse(at) / 1000) },
  ...{ owned_by: "lora-gen", root, parent },
});

function cardOfName(file: StoredName, base: string) {
  if ("aliasOf" in file) return cardOf(file.name, file.aliasOf, base);
  const current = file.versions.find(({ version }) => version === file.current);
  return cardOf(file.name, `${file.name}@${file.current}`, base, current?.at);
}

/** The base model's also says which exports there are of its specialisations. */
const cardOfBase = ({ models: { base }, downloads }: Services) => ({
  ...cardOf(base, base, null),
  exports: downloads?.offered() ?? [],
});

export async function listModels(c: RouteContext, services: Services): Promise<Response> {
  const { store, models } = services;
  const own = await store.list(c.var.caller.tenant);
  const data = [cardOfBase(services), ...own.map((file) => cardOfName(file, models.base))];
  return c.json({ object: "list", data });
}

/** One of them: the base model, a name, or one of its versions. */
export async function showModel(c: RouteContext, services: Services, id: string): Promise<Response> {
  const { store, models } = services;
  const { base } = models;
  if (id === base) return c.json(cardOfBase(services));
  const { tenant } = c.var.caller;
  try {
    if (!id.includes("@")) return c.json(cardOfName(await store.get(tenant, id), base));
    const { name, version, at } = await store.resolve(tenant, id);
    return c.json(cardOf(id, `${name}@${version}`, base, at));
  } catch (error) {
    throw notFoundIfNoName(error, id);
  }
}

export async function make(c: RouteContext, services: Services): Promise<Response> {
  const { store, cloudPass, secret, models, pair } = services;
  const { name, prompt, examples, options = {}, certificate: asked } = await readBody(c, SpecializationRequest);
  refuseBase(name, models);
  if (prompt === undefined && (examples ?? []).length === 0)
    throw new AppError("E_USAGE", "body: expected a prompt, examples or both, found neither");
  if (cloudPass === undefined)
    throw new AppError("E_USAGE", "specialise: there is no cloud model here; push a specialisation made elsewhere");
  const shots = (examples ?? []).map(({ input, output }) => ({ input, target: output }));
  const text = renderSystemPrompt({ ...(prompt === undefined ? {} : { description: prompt }), examples: shots });
  const inputs = asked && inputsOf(asked);
  const { caller } = c.var;
  const { tenant } = caller;
  const constraint = constraintOf(prompt, options);
  // Before the cloud model reads the prompt in vain.
  if (inputs) checkAsked({ ...asked, inputs, prompt: text, reference: services.reference, constraint });
  const { truncate } = options;
  /** The same question has the same answer, for as long as the same reads the prompts. */
  async function keyOf(signal: AbortSignal): Promise<string | undefined> {
    if (secret === undefined) return undefined;
    const reader = await cloudPass!.reader({ tenant, signal });
    const question = JSON.stringify([text, pair.edge.sha256, pair.generator.sha256, options, reader]);
    return createHmac("sha256", secret).update(`specialization ${question}`).digest("hex");
  }
  const { key, known, content } = await inTime(c, services, async (signal) => {
    const key = await keyOf(signal);
    const known = key === undefined ? undefined : await store.findKey(tenant, key);
    const content =
      known === undefined
        ? await cloudPass.specialize(text, { secret, constraint, truncate, tenant, signal })
        : await store.read(known.object);
    return { key, known, content };
  });
  const object = sha256(encodeSpecialization(content));
  const measurement =
    inputs && measurementOf(services, caller, name, { ...asked, content, object, inputs, prompt: text });
  const stored = await store.put(tenant, name, content, key);
  const certificate = measurement && (await beginUnlessKnown(services, caller, measurement).catch(madeAll(stored)));
  return c.json(
    {
      ...stored,
      computed: known === undefined,
      cloudMs: known === undefined ? (content.ms?.cloud ?? null) : null,
      constraint: content.constraint ?? null,
      warnings: [...languageWarnings(prompt ?? text), ...unlikeWarnings(content)],
      ...(certificate === undefined ? {} : { certificate }),
    },
    stored.isNew ? 201 : 200,
  );
}

/** Throws on what its certificate ended with, saying that the name is there all the same: the request may be sent again. */
const madeAll =
  ({ name, version }: { readonly name: string; readonly version: number }) =>
  (error: unknown): never => {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `${name}@${version} is made all the same; ${error.message}`, { cause: error });
  };

/** Throws E_DEADLINE where the cloud model takes too long with a prompt. */
const inTime = <T>(c: RouteContext, { promptMs }: Services, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
  within(promptMs, c.req.raw.signal, "prompt: the cloud model did not read it", work);

function refuseBase(name: string, { base }: Services["models"]): void {
  if (requireName(name) === base)
    throw new AppError("E_USAGE", `name: ${name} is the base model; expected another one`);
}

/** Throws where this service's cloud model does not read prompts for other hosts. */
function ownCloud({ cloudPass }: Services): CloudPass {
  if (cloudPass === undefined) throw new AppError("E_USAGE", "gates: there is no cloud model here");
  if (!cloudPass.isRemote) return cloudPass;
  throw new AppError(
    "E_NOT_FOUND",
    "gates: the cloud model is on another host; ask that one, so that no prompt goes in circles",
  );
}

/** What reads prompts here, for another host that keeps what was read. */
export async function reader(c: RouteContext, services: Services): Promise<Response> {
  const { tenant } = c.var.caller;
  return c.json({ reader: await ownCloud(services).reader({ tenant, signal: c.req.raw.signal }) });
}

/** The cloud pass for another host: its prompt in, gates out, nothing kept. */
export async function gates(c: RouteContext, services: Services): Promise<Response> {
  const { prompt, truncate } = await readBody(c, GatesRequest);
  const cloudPass = ownCloud(services);
  const { tenant } = c.var.caller;
  const made = await inTime(c, services, (signal) =>
    cloudPass.specialize(prompt, { secret: undefined, constraint: undefined, truncate, tenant, signal }),
  );
  return c.body(encodeSpecialization(made), 200, { "content-type": "application/json" });
}

type Options = NonNullable<SpecializationBody["options"]>;
type SpecializationBody = import("zod").infer<typeof SpecializationRequest>;

/** What the caller says, else what is found in the prompt. */
function constraintOf(prompt: string | undefined, { labels, schema, constraint }: Options): ConstraintSpec | undefined {
  if (labels !== undefined && schema !== undefined)
    throw new AppError("E_USAGE", "options: expected labels or a schema, found both");
  if (labels !== undefined) return labelsSpec(labels);
  if (schema !== undefined) return schemaSpec(schema);
  return constraint === false || prompt === undefined ? undefined : findConstraint(prompt)?.spec;
}

export async function list(c: RouteContext, { store }: Services): Promise<Response> {
  const damaged: string[] = [];
  const found = await store.list(c.var.caller.tenant, (name) => damaged.push(name));
  return c.json({ object: "list", data: found.map(described), ...(damaged.length === 0 ? {} : { damaged }) });
}

/** One name, or with `@VERSION` the content of a version. */
export async function show(c: RouteContext, { store }: Services, name: string): Promise<Response> {
  const { tenant } = c.var.caller;
  if (!name.includes("@")) return c.json(described(await store.get(tenant, name)));
  const resolved = await store.resolve(tenant, name);
  return c.json({ ...resolved, content: await store.read(resolved.object) });
}

/** Takes in a specialisation that was made elsewhere. */
export async function push(
  c: RouteContext,
  { store, pair, models }: Services,
  name: string,
  content: Specialization,
): Promise<Response> {
  refuseBase(name, models);
  requireSamePair("specialization", content, pair);
  const stored = await store.put(c.var.caller.tenant, name, content);
  return c.json(stored, stored.isNew ? 201 : 200);
}

export async function remove(c: RouteContext, services: Services, name: string): Promise<Response> {
  await removeName(services, c.var.caller.tenant, name);
  return c.json({ id: name, object: "specialization", deleted: true });
}

/** What is measured of contents that no name of the tenant has any more ends, too. */
export async function removeName({ store, certifications }: Services, tenant: string, name: string): Promise<void> {
  const objectsOf = (file: StoredName): string[] =>
    "versions" in file ? file.versions.map(({ object }) => object) : [];
  const had = objectsOf(await store.get(tenant, name));
  await store.remove(tenant, name);
  const left = new Set((await store.list(tenant)).flatMap(objectsOf));
  for (const object of had) if (!left.has(object)) await certifications.cancel(tenant, object);
}

export async function rollback(c: RouteContext, { store }: Services, name: string): Promise<Response> {
  const { version } = await readBody(c, RollbackRequest);
  return c.json(await store.rollback(c.var.caller.tenant, name, version));
}

export async function alias(c: RouteContext, { store, models }: Services): Promise<Response> {
  const { name, target } = await readBody(c, AliasRequest);
  refuseBase(name, models);
  await store.alias(c.var.caller.tenant, name, target);
  return c.json(described(await store.get(c.var.caller.tenant, name)));
}

export async function diff(c: RouteContext, { store }: Services, name: string): Promise<Response> {
  const { tenant } = c.var.caller;
  const against = c.req.query("against");
  if (against === undefined) throw new AppError("E_USAGE", "diff: expected ?against=NAME or NAME@VERSION");
  const [a, b] = await Promise.all([store.resolve(tenant, against), store.resolve(tenant, name)]);
  const diff = diffSpecializations(await store.read(a.object), await store.read(b.object));
  const [from, to] = await Promise.all([a, b].map(({ object }) => store.certificate(tenant, object)));
  return c.json({ from: a, to: b, ...diff, certificates: diffCertificates(from, to) });
}
