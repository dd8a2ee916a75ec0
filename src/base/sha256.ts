/** @file How a SHA-256 is spelled in files. */
import { z } from "zod";

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");
