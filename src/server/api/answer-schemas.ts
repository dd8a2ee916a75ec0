/** @file What is answered to requests that are no others' API, for the OpenAPI document. Tests hold real answers against it. */
import { z } from "zod";
import { Sha256 } from "../../base/sha256.ts";
import { ConstraintSection } from "../../constraint/spec.ts";
import { NameFile, StoredVersion } from "../store/stored-name.ts";
import { Certificate, rungs } from "../trust/certificate.ts";

export const ReadyAnswer = z.strictObject({
  status: z.enum(["ready", "not ready", "ending"]),
  store: z.enum(["reached", "out of reach"]).optional(),
});

const progress = {
  done: z.int().optional().describe("inputs that were measured so far"),
  total: z.int().optional(),
  before: z.int().optional().describe("it waits: so many of the tenant's are measured before it"),
};

const [own, alias] = NameFile.options;
export const NameAnswer = z.union([own.omit({ format: true }), alias.omit({ format: true })]);
export const NamesAnswer = z.strictObject({
  object: z.literal("list"),
  data: z.array(NameAnswer),
  damaged: z.array(z.string()).optional().describe("names whose file in the store cannot be read"),
});

export const VersionAnswer = StoredVersion.extend({ name: z.string() });
export const StoredAnswer = VersionAnswer.extend({
  isNew: z.boolean().describe("false: the name stood for this already, and the status is 200"),
});
export const MadeAnswer = StoredAnswer.extend({
  computed: z
    .boolean()
    .describe("false: the same prompt and options were read before for this tenant, under whatever name"),
  cloudMs: z
    .number()
    .nullable()
    .describe("how long the cloud model read; null where it did not, or was on another host"),
  constraint: ConstraintSection.nullable().describe(
    "the form that answers to chats are held to, unless a request asks for another; null: free text",
  ),
  warnings: z
    .array(z.string())
    .describe("what makes the gates doubtful: a prompt in another language, or one unlike those of the training"),
  certificate: z
    .strictObject({ status: z.enum(["running", "done"]), ...progress })
    .optional()
    .describe("where one was asked for; done: the same was measured before"),
});

export const ReaderAnswer = z.strictObject({
  reader: Sha256.describe("of all that reads prompts here; another one may make other gates of the same prompt"),
});

export const CertificateAnswer = z.strictObject({
  name: z.string(),
  version: z.int().positive(),
  status: z.enum(["running", "failed", "done"]),
  ...progress,
  error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  certificate: Certificate.omit({ prompt: true, residual: true, refined: true })
    .extend({
      answers: z.enum(rungs).describe("who answers for the name"),
      keepsPrompt: z.boolean().describe("the prompt's text, or sentences of it, are kept to answer with"),
      isRefined: z.boolean(),
    })
    .optional()
    .describe("the newest there is; an earlier one while another is measured"),
});
