/** @file Who asks the hub, and where it is: checked before anything is sent, and never shown with its secrets. */
import { AppError } from "../base/errors.ts";
import { withoutCredentials } from "../base/url.ts";

/** What a user gives. */
export type HubAddress = {
  /** Where the hub is: "https://huggingface.co", or a mirror of it; a user name and password in it are sent as such. */
  readonly url: string;
  readonly token?: string | undefined;
};

export type HubEntrance = {
  /** Without user name, password and slashes at its end: it is shown in messages. */
  readonly url: string;
  /** Sent to the hub itself, never to where it redirects. */
  readonly authorization: string | undefined;
};

/** Throws E_USAGE for an address or a token that cannot be one; neither is repeated in the message. */
export function connect({ url: given, token }: HubAddress): HubEntrance {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new AppError(
      "E_USAGE",
      "address of the hub (HF_ENDPOINT): expected one that begins with http:// or https://",
    );
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new AppError("E_USAGE", "token (HF_TOKEN): expected letters, digits and signs without spaces, found others");
  const { username, password } = url;
  const hasPassword = username !== "" || password !== "";
  if (hasPassword && token !== undefined)
    throw new AppError("E_USAGE", "expected a token (HF_TOKEN) or a password in the address (HF_ENDPOINT), found both");
  return {
    url: withoutCredentials(given).replace(/\/+$/, ""),
    authorization: hasPassword ? basic(username, password) : token === undefined ? undefined : `Bearer ${token}`,
  };
}

function basic(username: string, password: string): string {
  const text = [username, password].map(decodePercent).join(":");
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a "%" that encodes nothing is meant as such
  }
}
