/** @file The cloud pass on another host: it gets the prompt and gives the gates; names, secrets and constraints stay here. */
import { hmacSha256 } from "../base/hash.ts";
import type { EdgePair } from "../pair/pair.ts";
import { parseSpecialization, requireSamePair } from "../pair/specialization.ts";
import { postTo, type RemoteOptions, readAnswer, remoteLimits, requireAddress } from "./remote.ts";
import type { CloudPass, SpecializePrompt } from "./services.ts";
import { createUnderWay } from "./under-way.ts";

/**
 * Asks another service's `/v1/gates`, for as long as it takes unless `answerMs` is said: whoever asks calls it off.
 * @throws E_USAGE for what is no http address; when asked as `postTo`, E_IO too where the other has another pair, E_BUSY beyond
 * `remoteLimits.prompts`
 */
export function remoteCloud(pair: EdgePair, options: Omit<RemoteOptions, "what">): CloudPass {
  const remote = { answerMs: Infinity, ...options, what: "cloud", url: requireAddress("cloud", options.url) };
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
  return {
    isRemote: true,
    specialize: (prompt, asked) => underWay.run(asked.tenant, () => ask(prompt, asked)),
    close: () => underWay.close(),
  };
}
