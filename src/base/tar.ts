/** @file Tar archives (POSIX ustar): what goes around each file, and at the end. */
import { AppError } from "./errors.ts";
import { utf8Length } from "./utf8.ts";

const block = 512;
const limits = { name: 100, bytes: 8 ** 11 - 1 } as const;

/** The block in front of a file's bytes. `at`: seconds since 1970. Throws E_LIMIT for a name of more than 100 bytes, or a file of 8 GiB. */
export function tarHeader(name: string, bytes: number, at: number): Uint8Array {
  if (utf8Length(name) > limits.name || bytes > limits.bytes)
    throw new AppError("E_LIMIT", `${name}: expected a name of at most ${limits.name} bytes and a file below 8 GiB`);
  const header = new Uint8Array(block);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  const put = (text: string, from: number): void => header.set(new TextEncoder().encode(text), from);
  put(name, 0);
  put(octal(0o644, 7), 100);
  put(octal(0, 7), 108); // owner and group
  put(octal(0, 7), 116);
  put(octal(bytes, 11), 124);
  put(octal(at, 11), 136);
  put(" ".repeat(8), 148); // the sum is taken with blanks in its place
  put("0", 156);
  put("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** What fills a file's last block. */
export const tarPadding = (bytes: number): Uint8Array => new Uint8Array((block - (bytes % block)) % block);

export const tarEnd = (): Uint8Array => new Uint8Array(2 * block);

/** Of an archive of files of these sizes. */
export const tarBytes = (sizes: readonly number[]): number =>
  sizes.reduce((sum, bytes) => sum + block + Math.ceil(bytes / block) * block, 2 * block);
