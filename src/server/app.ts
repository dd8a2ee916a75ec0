/** @file The service as a function from a request to a response: routes, who may use them, what is told when something goes wrong. */
import { Hono } from "hono";
import { AppError } from "../base/errors.ts";
import { parseSpecialization, specializationLimits } from "../pair/specialization.ts";
import { readText } from "./body.ts";
import { tellError } from "./errors.ts";
import type { Scope } from "./keys.ts";
import { openApi } from "./open-api.ts";
import { requireOwnPage } from "./origin.ts";
import { assetResponse } from "./playground-file.ts";
import * as adapters from "./routes/adapters.ts";
import { chat, chatWithCloud, complete, embed } from "./routes/ask.ts";
import * as certificates from "./routes/certificates.ts";
import { download } from "./routes/downloads.ts";
import * as names from "./routes/specializations.ts";
import * as why from "./routes/why.ts";
import type { Env, RouteContext, Services } from "./services.ts";

type Route = {
  readonly method: "get" | "post" | "put" | "delete";
  readonly path: string;
  readonly scope: Scope | undefined;
  readonly run: (c: RouteContext, services: Services) => Response | Promise<Response>;
};

const nameOf = (c: RouteContext): string => c.req.param("name") ?? "";

export const routes: readonly Route[] = [
  { method: "get", path: "/healthz", scope: undefined, run: (c) => c.json({ status: "ok" }) },
  {
    method: "get",
    path: "/readyz",
    scope: undefined,
    run: ready,
  },
  {
    method: "get",
    path: "/metrics",
    scope: "metrics",
    run: (c, { metrics, edge: { engine, constraints } }) =>
      c.text(metrics.text(engine.state(), { constraintBytes: constraints.bytes() })),
  },
  { method: "get", path: "/openapi.json", scope: undefined, run: (c) => c.json(openApi(routes)) },
  { method: "get", path: "/v1/models", scope: "read", run: names.listModels },
  { method: "get", path: "/v1/models/:name", scope: "read", run: (c, s) => names.showModel(c, s, nameOf(c)) },
  { method: "post", path: "/v1/chat/completions", scope: "ask", run: chat },
  { method: "post", path: "/v1/completions", scope: "ask", run: complete },
  { method: "post", path: "/v1/embeddings", scope: "ask", run: embed },
  { method: "post", path: "/v1/cloud/chat/completions", scope: "write", run: chatWithCloud },
  { method: "get", path: "/v1/gates", scope: "write", run: names.reader },
  { method: "post", path: "/v1/gates", scope: "write", run: names.gates },
  { method: "post", path: "/v1/specializations", scope: "write", run: names.make },
  { method: "get", path: "/v1/specializations", scope: "read", run: names.list },
  { method: "get", path: "/v1/specializations/:name", scope: "read", run: (c, s) => names.show(c, s, nameOf(c)) },
  { method: "put", path: "/v1/specializations/:name", scope: "write", run: pushed },
  { method: "delete", path: "/v1/specializations/:name", scope: "write", run: (c, s) => names.remove(c, s, nameOf(c)) },
  { method: "get", path: "/v1/specializations/:name/diff", scope: "read", run: (c, s) => names.diff(c, s, nameOf(c)) },
  {
    method: "post",
    path: "/v1/specializations/:name/rollback",
    scope: "write",
    run: (c, s) => names.rollback(c, s, nameOf(c)),
  },
  {
    method: "get",
    path: "/v1/specializations/:name/certificate",
    scope: "read",
    run: (c, s) => certificates.show(c, s, nameOf(c)),
  },
  {
    method: "post",
    path: "/v1/specializations/:name/certificate",
    scope: "write",
    run: (c, s) => certificates.begin(c, s, nameOf(c)),
  },
  {
    method: "delete",
    path: "/v1/specializations/:name/certificate",
    scope: "write",
    run: (c, s) => certificates.remove(c, s, nameOf(c)),
  },
  { method: "get", path: "/v1/specializations/:name/export", scope: "read", run: (c, s) => download(c, s, nameOf(c)) },
  { method: "get", path: "/v1/specializations/:name/why", scope: "read", run: (c, s) => why.show(c, s, nameOf(c)) },
  { method: "post", path: "/v1/specializations/:name/why", scope: "write", run: (c, s) => why.ablate(c, s, nameOf(c)) },
  { method: "post", path: "/v1/aliases", scope: "write", run: names.alias },
  { method: "post", path: "/v1/load_lora_adapter", scope: "write", run: adapters.load },
  { method: "post", path: "/v1/unload_lora_adapter", scope: "write", run: adapters.unload },
];
export type { Route };

/** How long a store may take to answer before it is told to be out of reach; less than the second after which probes give up. */
const storeAnswerMs = 500;

/**
 * Ready, also where the store is out of reach: what is kept is still answered. A balancer that should know better asks with `?store=required`.
 */
async function ready(c: RouteContext, { isEnding, store }: Services): Promise<Response> {
  if (isEnding()) return c.json({ status: "ending" }, 503);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((done) => {
    timer = setTimeout(() => done(false), storeAnswerMs);
  });
  const isReached = await Promise.race([
    store.check().then(
      () => true,
      () => false,
    ),
    late,
  ]);
  clearTimeout(timer);
  const isReady = isReached || c.req.query("store") !== "required";
  return c.json(
    { status: isReady ? "ready" : "not ready", store: isReached ? "reached" : "out of reach" },
    isReady ? 200 : 503,
  );
}

/** A specialisation file as the body. */
async function pushed(c: RouteContext, services: Services): Promise<Response> {
  const text = await readText(c, specializationLimits.fileBytes);
  return names.push(c, services, nameOf(c), parseSpecialization(text, "body"));
}

export function createApp(services: Services): Hono<Env> {
  const app = new Hono<Env>();
  const { keys, pages, metrics, log, logRefusal, now, date, newId } = services;
  for (const { method, path, scope, run } of routes)
    app.on(method.toUpperCase(), path, async (c) => {
      const from = now();
      c.set("requestId", newId());
      c.set("about", {});
      let response: Response;
      let thrown: unknown;
      let isOtherPage = pages !== undefined;
      try {
        if (pages !== undefined) requireOwnPage((name) => c.req.header(name), pages.hosts);
        isOtherPage = false;
        if (scope !== undefined) await keys.refresh();
        if (scope !== undefined) c.set("caller", keys.admit(c.req.header("authorization"), scope));
        response = await run(c, services);
      } catch (error) {
        thrown = error;
        response = failed(c, error);
      }
      response.headers.set("x-request-id", c.var.requestId);
      if (c.var.about.rung !== undefined) response.headers.set("x-loragen-rung", c.var.about.rung);
      const tell = (wrong: unknown): void => {
        const ms = now() - from;
        const told = wrong === undefined ? undefined : noted(c, wrong);
        const hasLeft = told !== undefined && isInterrupted(told);
        const status = hasLeft && response.status >= 500 ? clientLeft : response.status;
        const isFault = told === undefined ? status >= 500 : told.status >= 500 && !hasLeft;
        metrics.request(path, status, ms / 1000);
        const isTurnedAway = isOtherPage || told?.body.error.code === "E_DENIED";
        const write = isTurnedAway ? logRefusal : log;
        write({
          at: date().toISOString(),
          level: isFault ? "error" : isTurnedAway ? "warn" : "info",
          request: c.var.requestId,
          method: c.req.method,
          route: path,
          status,
          ms: Math.round(ms),
          ...(c.var.caller === undefined ? {} : { tenant: c.var.caller.tenant }),
          ...(isTurnedAway ? clientOf(c) : {}),
          ...c.var.about,
        });
      };
      if (c.var.ended === undefined) tell(thrown);
      else void c.var.ended.then(tell);
      return response;
    });
  for (const [path, asset] of services.playground ?? []) app.get(path, () => assetResponse(asset));
  app.notFound((c) => {
    const known = addresses.filter(({ at }) => at.test(c.req.path)).map(({ method }) => method.toUpperCase());
    const message =
      known.length === 0
        ? `${c.req.path.slice(0, 200)}: no such address; /openapi.json lists them`
        : `${c.req.path}: expected ${known.join(" or ")}, found ${c.req.method}`;
    const error = { message, type: "not_found_error", param: null, code: "E_NOT_FOUND" };
    const status = known.length === 0 ? 404 : 405;
    const request = newId();
    metrics.request(unknownRoute, status, undefined);
    logRefusal({
      at: date().toISOString(),
      level: "warn",
      request,
      method: c.req.method,
      route: unknownRoute,
      path: c.req.path,
      status,
      ms: 0,
      code: error.code,
      ...clientOf(c),
    });
    const headers = { "x-request-id": request, ...(known.length === 0 ? {} : { allow: known.join(", ") }) };
    return c.json({ error }, status, headers);
  });
  app.onError((error, c) => {
    const { status, body } = tellError(error);
    return c.json(body, status);
  });
  return app;
}

/** What is logged and counted in the place of a route where an address is none of the service's. */
const unknownRoute = "unknown";

const clientOf = ({ env }: RouteContext): { client?: string } =>
  env?.client === undefined ? {} : { client: env.client };

/** Each route's method, and what its addresses look like. */
const addresses = routes.map(({ method, path }) => ({
  method,
  at: new RegExp(`^${path.replaceAll(".", "\\.").replace(/:\w+/g, "[^/]+")}$`),
}));

/** What a caller is told of an error; the log is told of it too. */
function noted(c: RouteContext, error: unknown): ReturnType<typeof tellError> {
  const told = tellError(error);
  c.var.about.code = told.body.error.code;
  if (!(error instanceof AppError)) c.var.about.error = error instanceof Error ? String(error.stack) : String(error);
  return told;
}

/** What is counted where a client went away before it had any of its answer; nobody is told. */
const clientLeft = 499;

/** The client went away. */
const isInterrupted = ({ body: { error } }: ReturnType<typeof tellError>): boolean => error.code === "E_INTERRUPTED";

/** What clients are to do next. */
const refusals: Readonly<Record<number, Record<string, string>>> = {
  401: { "www-authenticate": "Bearer" },
  429: { "retry-after": "1" },
};

function failed(c: RouteContext, error: unknown): Response {
  const { status, body } = noted(c, error);
  return c.json(body, status, refusals[status] ?? {});
}
