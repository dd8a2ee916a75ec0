/** @file Certificates: how the specialisation that a name stands for answers, measured on the caller's inputs. */
import type { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { CertificateRequest, type SpecializationRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import type { Caller } from "../keys.ts";
import type { RouteContext, Services } from "../services.ts";
import { shownCertificate } from "../trust/certificate.ts";
import type { CertificationState } from "../trust/certifications.ts";
import type { Measured } from "../trust/certify.ts";
import { askedSha256, checkMeasurement, drawInputs, type Measurement, measure } from "../trust/measure.ts";
import { promptAsMade } from "../trust/prompt-as-made.ts";

type Asked = NonNullable<z.infer<typeof SpecializationRequest>["certificate"]>;

/** Begins to measure, in the background. */
export async function begin(c: RouteContext, services: Services, name: string): Promise<Response> {
  const { store } = services;
  const { prompt: description, promptExamples, ...asked } = await readBody(c, CertificateRequest);
  const { caller } = c.var;
  const inputs = inputsOf(asked);
  const found = await store.resolve(caller.tenant, name);
  const content = await store.read(found.object);
  const prompt = promptAsMade(description, promptExamples);
  const measurement = measurementOf(services, caller, name, {
    ...asked,
    content,
    object: found.object,
    inputs,
    prompt,
  });
  return c.json({ name: found.name, version: found.version, ...beginMeasuring(services, caller, measurement) }, 202);
}

/** Throws E_USAGE unless there are either examples or inputs. */
export function inputsOf({ examples, inputs }: Pick<Asked, "examples" | "inputs">): Measured[] {
  if ((examples === undefined) === (inputs === undefined))
    throw new AppError("E_USAGE", "certificate: expected examples or inputs, found both or neither");
  return examples?.map(({ input, output }) => ({ input, target: output })) ?? inputs!.map((input) => ({ input }));
}

/** Throws E_USAGE for what does not fit together. */
export function measurementOf(
  { reference, secret }: Services,
  { tenant }: Caller,
  name: string,
  asked: Omit<Asked, "examples" | "inputs"> & Pick<Measurement, "content" | "object" | "inputs" | "prompt">,
): Measurement {
  const { content, object, inputs, prompt, scorer, threshold, refine, fallback } = asked;
  const measurement = { content, object, inputs, prompt, scorer, threshold, refine, fallback, reference, tenant };
  checkMeasurement(name, measurement, { secret });
  return measurement;
}

function beginMeasuring(services: Services, { tenant, turn }: Caller, measurement: Measurement): CertificationState {
  const { store, certifications, edge, pair, cloud, refine, secret, date, metrics } = services;
  const what = {
    total: drawInputs(measurement).measured.length,
    characters: measurement.inputs.reduce((sum, { input, target = "" }) => sum + input.length + target.length, 0),
    asked: askedSha256(measurement),
  };
  return certifications.begin(tenant, measurement.object, what, async (onProgress, signal) => {
    const asking = { edge, pair, cloud, refine, secret, date, turn, onAnswer: metrics.certified };
    const certificate = await measure(measurement, asking, { onProgress, signal });
    await store.certify(tenant, certificate);
    return certificate;
  });
}

/**
 * Of a name that was just stored: begins unless the same was measured of its content, or is being measured.
 * @throws E_BUSY where something else is being measured of its content, or too much waits
 */
export async function beginUnlessKnown(
  services: Services,
  caller: Caller,
  measurement: Measurement,
): Promise<CertificationState | { readonly status: "done" }> {
  const { store, certifications } = services;
  const { tenant } = caller;
  const { object } = measurement;
  const asked = askedSha256(measurement);
  for (;;) {
    const before = certifications.state(tenant, object)?.status;
    const known = await store.certificate(tenant, object);
    const state = certifications.state(tenant, object);
    if (state?.status !== before) continue; // the same has begun or ended meanwhile
    const isRunning = state?.status === "running";
    if (isRunning && certifications.asked(tenant, object) === asked) return state;
    if (!isRunning && known?.askedSha256 === asked) return { status: "done" };
    return beginMeasuring(services, caller, measurement);
  }
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
