/** @file Web pages: a service that asks for no key must not answer the pages of other sites that a browser on this machine has open. */
import { AppError } from "../base/errors.ts";

/**
 * A page of another site says so (`Origin`), or has its own name lead here (`Host`). What it only loads, as an image, has no `Origin`; browsers
 * then say where it is loaded from (`Sec-Fetch-Site`). A link that a user follows is no page's request.
 * @param hosts the names by which the service may be called; undefined: any
 * @throws E_FORBIDDEN
 */
export function requireOwnPage(
  header: (name: string) => string | undefined,
  hosts: readonly string[] | undefined,
): void {
  const host = header("host");
  const origin = header("origin");
  if (hosts !== undefined && host !== undefined && !hosts.includes(host.replace(/:\d+$/, "").toLowerCase()))
    throw new AppError(
      "E_FORBIDDEN",
      `host: expected ${hosts.join(" or ")}, found ${JSON.stringify(host.slice(0, 100))}`,
    );
  const isOther = origin !== undefined && host !== undefined && origin.replace(/^https?:\/\//, "") !== host;
  const from = header("sec-fetch-site") ?? "none";
  const isLoaded = !["same-origin", "none"].includes(from) && header("sec-fetch-mode") !== "navigate";
  if (isOther || isLoaded)
    throw new AppError(
      "E_FORBIDDEN",
      "origin: a web page of another site may not ask here; start the service with --keys",
    );
}
