/** @file The cloud pass on another host: it gets the prompt and gives the gates; names, secrets and constraints stay here. */
import { AppError } from "../base/errors.ts";
import { hmacSha256 } from "../base/hash.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import type { EdgePair } from "../pair/pair.ts";
import { parseSpecialization, requireSamePair } from "../pair/specialization.ts";
import { ReaderAnswer } from "./api/answer-schemas.ts";
import { getFrom, postTo, type RemoteOptions, readAnswer, remoteLimits, requireAddress } from "./remote.ts";
import type { CloudPass, SpecializePrompt } from "./services.ts";
import { createUnderWay } from "./under-way.ts";

/** Not there, late or busy; a refusal is none of these. */
const isAway = (error: unknown): boolean =>
  error instanceof AppError && ["E_IO", "E_DEADLINE", "E_BUSY"].includes(error.code);

/** @param now a clock in milliseconds */
type RemoteCloudOptions = Omit<RemoteOptions, "what"> & { readonly now?: () => number };

/**
 * Asks another service's `/v1/gates`, for as long as it takes unless `answerMs` is said: whoever asks calls it off.
 * @throws E_USAGE for what is no http address; when asked as `postTo`, E_IO too where the other has another pair, E_BUSY beyond
 * `remoteLimits.prompts`
 */
export function remoteCloud(
  pair: EdgePair,
  { now = () => performance.now(), ...options }: RemoteCloudOptions,
): CloudPass {
  const what = "cloud";
  const remote = { answerMs: Infinity, ...options, what, url: requireAddress(what, options.url) };
  const underWay = createUnderWay("prompts with the other host", remoteLimits.prompts);
  const ask: SpecializePrompt = async (prompt, { secret, constraint, truncate, signal }) => {
    const asked = { prompt, ...(truncate === undefined ? {} : { truncate }) };
    const text = await postTo(remote, "/v1/gates", asked, signal);
    const {
      promptHmac: _,
      constraint: __,
      ...gates
    } = readAnswer(() => {
      const made = parseSpecialization(text, "cloud");
      requireSamePair("cloud", made, pair);
      return made;
    });
    return {
      ...gates,
      ...(secret === undefined ? {} : { promptHmac: hmacSha256(secret, prompt) }),
      ...(constraint === undefined ? {} : { constraint }),
    };
  };
  let heard: { readonly reader: string; readonly atMs: number } | undefined;
  /** Where that host is away, what it said last goes on. */
  const reader: CloudPass["reader"] = async ({ tenant, signal }) => {
    if (heard !== undefined && now() - heard.atMs < remoteLimits.readerMs) return heard.reader;
    const asked = { ...remote, answerMs: remoteLimits.readerAnswerMs };
    const found = await underWay
      .run(tenant, () => getFrom(asked, "/v1/gates", signal))
      .then((text) => readAnswer(() => checkSchema(parseJson(text, { what }), ReaderAnswer, { what }).reader))
      .catch((error: unknown) => {
        if (heard === undefined || signal?.aborted || !isAway(error)) throw error;
        return heard.reader;
      });
    heard = { reader: found, atMs: now() };
    return found;
  };
  return {
    isRemote: true,
    reader,
    specialize: (prompt, asked) => underWay.run(asked.tenant, () => ask(prompt, asked)),
    close: () => underWay.close(),
  };
}
