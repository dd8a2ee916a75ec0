/** @file Certificates: how the specialisation that a name stands for answers, measured on the caller's inputs. */
import { AppError } from "../../base/errors.ts";
import { CertificateRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import type { RouteContext, Services } from "../services.ts";
import { shownCertificate } from "../trust/certificate.ts";
import { checkMeasurement, drawInputs, measure } from "../trust/measure.ts";
import { promptAsMade } from "../trust/prompt-as-made.ts";

/** Begins to measure, in the background. */
export async function begin(c: RouteContext, services: Services, name: string): Promise<Response> {
  const { store, certifications, edge, pair, cloud, refine, reference, secret, date, metrics } = services;
  const { examples, inputs: alone, promptExamples, ...options } = await readBody(c, CertificateRequest);
  if ((examples === undefined) === (alone === undefined))
    throw new AppError("E_USAGE", "body: expected examples or inputs, found both or neither");
  const inputs =
    examples?.map(({ input, output }) => ({ input, target: output })) ?? alone!.map((input) => ({ input }));
  const { tenant, turn } = c.var.caller;
  const found = await store.resolve(tenant, name);
  const content = await store.read(found.object);
  const prompt = promptAsMade(options.prompt, promptExamples);
  const measurement = { ...options, prompt, content, object: found.object, inputs, reference, tenant };
  checkMeasurement(name, measurement, { secret });
  const total = drawInputs(measurement).measured.length;
  const state = certifications.begin(tenant, found.object, total, async (onProgress, signal) => {
    const asking = { edge, pair, cloud, refine, secret, date, turn, onAnswer: metrics.certified };
    const certificate = await measure(measurement, asking, { onProgress, signal });
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
  const state = certifications.state(tenant, found.object);
  const certificate = await store.certificate(tenant, found.object);
  if (state === undefined && certificate === undefined)
    throw new AppError("E_NOT_FOUND", `model ${JSON.stringify(name)}: has no certificate`);
  const shown = certificate === undefined ? {} : { certificate: shownCertificate(certificate) };
  return c.json({ ...head, ...(state ?? { status: "done" }), ...shown });
}

/** Ends one that is being measured, and forgets what was known, a kept prompt included. */
export async function remove(c: RouteContext, { store, certifications }: Services, name: string): Promise<Response> {
  const { tenant } = c.var.caller;
  const found = await store.resolve(tenant, name);
  await certifications.cancel(tenant, found.object);
  await store.uncertify(tenant, found.object);
  return c.json({ id: `${found.name}@${found.version}`, object: "certificate", deleted: true });
}
