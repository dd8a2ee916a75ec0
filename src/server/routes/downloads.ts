/** @file What a name stands for, to take away: an export as an archive. */
import { AppError } from "../../base/errors.ts";
import { type DownloadFormat, downloadFormats } from "../downloads.ts";
import type { RouteContext, Services } from "../services.ts";
import { answeringContent } from "../trust/answering-content.ts";

export async function download(c: RouteContext, { store, downloads }: Services, reference: string): Promise<Response> {
  const { tenant } = c.var.caller;
  const format = c.req.query("format");
  if (!downloadFormats.includes(format as DownloadFormat))
    throw new AppError("E_USAGE", `export: expected ?format=${downloadFormats.join(" or ")}`);
  if (downloads === undefined) throw new AppError("E_USAGE", "export: not offered here");
  const { name, version, object } = await store.resolve(tenant, reference);
  const own = await store.read(object);
  const content = answeringContent(reference, own, await store.certificate(tenant, object));
  const { bytes, body } = await downloads.open(tenant, content, format as DownloadFormat, c.req.raw.signal);
  const isHead = c.req.method === "HEAD";
  if (isHead) await body.cancel();
  return new Response(isHead ? null : body, {
    headers: {
      "content-type": "application/x-tar",
      "content-length": String(bytes),
      "content-disposition": `attachment; filename="${name}-${version}-${format}.tar"`,
      "cache-control": "no-store",
    },
  });
}
