/** @file Certificates: how the specialisation that a name stands for answers, measured on the caller's inputs. */
import { AppError } from "../../base/errors.ts";
import { CertificateRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import type { RouteContext, Services } from "../services.ts";
import { checkMeasurement, measure } from "../trust/measure.ts";

const keyOf = (tenant: string, object: string): string => `${tenant}/${object}`;

/** Begins to measure, in the background. */
export async function begin(c: RouteContext, services: Services, name: string): Promise<Response> {
  const { store, certifications, engine, pair, constraints: compile, reference, secret, date } = services;
  const { examples, inputs: alone, ...options } = await readBody(c, CertificateRequest);
  if ((examples === undefined) === (alone === undefined))
    throw new AppError("E_USAGE", "body: expected examples or inputs, found both or neither");
  const inputs =
    examples?.map(({ input, output }) => ({ input, target: output })) ?? alone!.map((input) => ({ input }));
  const { tenant } = c.var.caller;
  const found = await store.resolve(tenant, name);
  const content = await store.read(found.object);
  const measurement = { ...options, content, object: found.object, inputs, reference, tenant };
  checkMeasurement(name, measurement, { secret });
  const state = certifications.begin(keyOf(tenant, found.object), inputs.length, async (onProgress, signal) => {
    const certificate = await measure(measurement, { engine, pair, compile, secret, date }, { onProgress, signal });
    await store.certify(tenant, certificate);
    return certificate;
  });
  return c.json({ name: found.name, version: found.version, ...state }, 202);
}

/** What is known: how far it is, that it failed, or the certificate; an earlier one beside the first two. */
export async function show(c: RouteContext, { store, certifications }: Services, name: string): Promise<Response> {
  const { tenant } = c.var.caller;
  const found = await store.resolve(tenant, name);
  const head = { name: found.name, version: found.version };
  const state = certifications.state(keyOf(tenant, found.object));
  const certificate = await store.certificate(tenant, found.object);
  if (state === undefined && certificate === undefined)
    throw new AppError("E_NOT_FOUND", `model ${JSON.stringify(name)}: has no certificate`);
  return c.json({ ...head, ...(state ?? { status: "done" }), ...(certificate === undefined ? {} : { certificate }) });
}
