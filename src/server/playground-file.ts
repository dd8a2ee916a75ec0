/** @file The playground's built files, read once: what the service shows a browser. */
import { readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { readFileBounded } from "../base/read-file.ts";

export type Asset = { readonly bytes: Uint8Array<ArrayBuffer>; readonly type: string; readonly isForever: boolean };
/** By address. */
export type Playground = ReadonlyMap<string, Asset>;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};
const limits = { files: 100, fileBytes: 4 * 2 ** 20 } as const;

/** undefined where it was not built. Throws E_IO, E_LIMIT. */
export async function readPlayground(folder: string): Promise<Playground | undefined> {
  const names = await readdir(folder, { recursive: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw ioError(error, "read", folder);
  });
  if (names === undefined) return undefined;
  const files = names.filter((name) => extname(name) in types);
  if (files.length > limits.files)
    throw new AppError("E_LIMIT", `${folder}: expected at most ${limits.files} files, found ${files.length}`);
  const assets = new Map<string, Asset>();
  for (const name of files) {
    const bytes = Uint8Array.from(await readFileBounded(join(folder, name), limits.fileBytes));
    const path = name.split(/[\\/]/).join("/");
    // Names of built files hold a hash of their content.
    const asset = { bytes, type: types[extname(name)]!, isForever: path.startsWith("assets/") };
    assets.set(`/${path === "index.html" ? "" : path}`, asset);
  }
  return assets;
}

/** The page may load its own files, ask its own service, and nothing else. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const assetResponse = ({ bytes, type, isForever }: Asset): Response =>
  new Response(bytes, {
    headers: {
      "content-type": type,
      "cache-control": isForever ? "public, max-age=31536000, immutable" : "no-cache",
      "content-security-policy": policy,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
  });
