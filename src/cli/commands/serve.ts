/** @file `loragen serve`: specialisations as models behind OpenAI's API. */
import { join } from "node:path";
import { type Command, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import { isFolder } from "../../base/folder.ts";
import { sha256 } from "../../base/hash.ts";
import { readJsonFile, writeJsonFile } from "../../base/json-file.ts";
import { takeLock } from "../../base/lock.ts";
import { loadPair } from "../../pair/pair-file.ts";
import { KeyFile, newKey, type Scope, scopes } from "../../server/keys.ts";
import { openKeys } from "../../server/keys-file.ts";
import { readPlayground } from "../../server/playground-file.ts";
import { requireAddress } from "../../server/remote.ts";
import { remoteAnswers } from "../../server/remote-answers.ts";
import { remoteCloud } from "../../server/remote-cloud.ts";
import { listenOn } from "../../server/serve.ts";
import { createService } from "../../server/service.ts";
import { requireName } from "../../server/store/names.ts";
import { isBucket } from "../../server/store/open-storage.ts";
import { openStore, type Store } from "../../server/store/store.ts";
import type { CliContext } from "../context.ts";
import { edgeName } from "../export-source.ts";
import { interruptible } from "../interruptible.ts";
import {
  type ExactFlag,
  exactOption,
  jsonOption,
  pairOption,
  type QuantizeFlag,
  quantizationOf,
  quantizeOption,
  required,
  threadsOption,
  wholeNumber,
} from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { packageRoot } from "../paths.ts";
import { promptSecret } from "../prompt-secret.ts";
import { readReference, referenceOptions } from "../reference-options.ts";

type Flags = QuantizeFlag &
  ExactFlag & {
    readonly pair: string;
    readonly threads: number;
    readonly host: string;
    readonly port: number;
    readonly store?: string;
    readonly keys?: string;
    readonly slots: number;
    readonly adapters?: string;
    readonly reference?: string;
    readonly referenceModel?: string;
    readonly pin?: readonly string[];
    readonly cloud?: string;
    readonly cloudAnswers?: boolean;
    readonly playground: boolean;
    readonly quiet?: boolean;
  };

const examples = `
A model is a specialisation's NAME, NAME@VERSION, or the pair's own name for the base model.

Examples:
  $ loragen serve
  $ curl localhost:8080/v1/specializations -d '{"name": "triage", "prompt": "Answer billing, delivery or refund."}'
  $ curl localhost:8080/v1/chat/completions -d '{"model": "triage", "messages": [{"role": "user", "content": "where is my parcel?"}]}'

Other machines are let in with keys only:
  $ loragen key --keys keys.json --name shop --scope ask
  $ loragen serve --host 0.0.0.0 --keys keys.json

Several machines over one store, each with the same LORAGEN_PROMPT_SECRET (openssl rand -hex 32):
  $ AWS_ENDPOINT_URL_S3=https://s3.example.org loragen serve --store s3://models/production`;

const storeOption = () =>
  new Option("--store <where>", "where the specialisations are: a folder, or s3://BUCKET/PREFIX").default(
    undefined,
    "models, in the user's own folder of loragen",
  );

/** `--store`, `--tenant`: where the names are that a command is about, and whose. */
export const storeOptions = (): Option[] => [
  storeOption(),
  new Option("--tenant <name>", "whose names they are").default("main"),
];

/**
 * @param makes whether the command is one that makes a store: a folder that is mistyped is no empty store to the others
 * @throws E_NOT_FOUND where a folder is named that is not there, and as `openStore`
 */
export async function openStoreOf(
  context: Pick<CliContext, "store" | "s3">,
  given: string | undefined,
  { makes = false } = {},
): Promise<Store> {
  if (!makes && given !== undefined && !isBucket(given) && !(await isFolder(given)))
    throw new AppError("E_NOT_FOUND", `${given}: no such store; loragen push and loragen serve make one`);
  return openStore(given ?? join(context.store, "models"), { s3: context.s3 });
}

export const cloudAnswersOption = () =>
  new Option("--cloud-answers", "the pair's cloud model may answer where nothing cheaper scores the threshold");

export function addServe(program: Command, context: CliContext): void {
  const command = program
    .command("serve")
    .summary("answer for many specialisations behind OpenAI's API")
    .description("Opens a pair once and answers for all its specialisations, each under a model name of its own.");
  const options = [
    pairOption(),
    storeOption(),
    new Option("--host <address>", "where to listen; other addresses than this machine's own need --keys").default(
      "127.0.0.1",
    ),
    new Option("--port <n>", "0: any free one").argParser(wholeNumber(0, 65_535)).default(8080),
    new Option("--keys <file>", "who may ask; made by loragen key"),
    new Option("--slots <n>", "requests that are computed at once").argParser(wholeNumber(1, 4096)).default(32),
    new Option(
      "--pin <names...>",
      "merge these into weights of their own, a copy each: for those asked most of the time",
    ),
    new Option("--adapters <dir>", "folder from which /v1/load_lora_adapter may read"),
    new Option(
      "--cloud <url>",
      "another loragen serve of the same pair, which reads the prompts, and with --cloud-answers answers too: the cloud model is not run here; LORAGEN_CLOUD_KEY is the key there",
    ),
    cloudAnswersOption(),
    ...referenceOptions(),
    new Option("--no-playground", "do not show browsers the page on which prompts are tried"),
    new Option("--quiet", "no line for each request on stderr"),
    threadsOption(),
    quantizeOption("edge model"),
    exactOption(),
  ];
  for (const option of options) command.addOption(option);
  command.addHelpText("after", examples).action((flags: Flags) => serveCommand(context, flags));
  addKey(program, context);
}

const isLocal = (host: string): boolean => host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);

/** The tenant whose names `--pin` takes. */
const pinsOf = "main";

async function serveCommand(context: CliContext, flags: Flags): Promise<void> {
  const { host, port, keys: keyPath, slots, threads, adapters, quiet } = flags;
  if (!isLocal(host) && keyPath === undefined)
    throw new AppError("E_USAGE", `serve: ${host} is not this machine alone: expected --keys FILE, found none`);
  const opened = keyPath === undefined ? undefined : await openKeys(keyPath);
  const reference = await readReference(context, flags, () => pair);
  if (flags.cloud !== undefined) requireAddress("cloud", flags.cloud);
  const store = await openStoreOf(context, flags.store, { makes: true });
  for (const name of flags.pin ?? []) await store.resolve(pinsOf, name);
  const secret = await promptSecret(context);
  if (secret !== undefined) await store.agreeOnSecret(secret);
  const pair = await loadPair(flags.pair, {
    quantize: { edge: quantizationOf(flags) },
    exact: flags.exact,
    resolveModel: context.resolveModel,
    warn: warnOn(context),
  });
  const elsewhere = flags.cloud === undefined ? undefined : { url: flags.cloud, key: context.cloudKey };
  await interruptible(context, async (signal) => {
    const ended = new Promise<void>((done) => {
      signal.addEventListener("abort", () => done(), { once: true });
    });
    await using service = await createService(pair, store, {
      threads,
      slots,
      keys: opened?.keys,
      changedKeys: opened?.changed,
      hosts: [...new Set(["localhost", "127.0.0.1", "[::1]", host])],
      adapters,
      cloud: elsewhere && remoteCloud(pair, elsewhere),
      cloudAnswers: flags.cloudAnswers && elsewhere ? remoteAnswers(pair, elsewhere) : flags.cloudAnswers,
      edgeName: await edgeName({}, pair),
      playground: flags.playground ? await readPlayground(join(packageRoot(), "dist", "web")) : undefined,
      reference,
      secret,
      log: (line) => {
        if (quiet !== true) context.stderr.write(`${JSON.stringify(line)}\n`);
      },
    });
    for (const name of flags.pin ?? []) await service.pin(pinsOf, name);
    const listening = await listenOn(service.fetch, { host, port });
    context.stdout.write(`${listening.url}/v1 answers; the base model is ${service.base}\n`);
    await ended;
    const closing = listening.close();
    await service.close();
    await reference?.close?.();
    await closing;
  });
}

type KeyFlags = JsonFlag & {
  readonly keys?: string;
  readonly name?: string;
  readonly tenant: string;
  readonly scope: readonly Scope[];
  readonly perMinute?: number;
};

function addKey(program: Command, context: CliContext): void {
  const command = program
    .command("key")
    .summary("make a key for loragen serve")
    .description("Adds a key to a file and prints it, once: the file holds its hash only.");
  const options = [
    new Option("--keys <file>", "required: the file; made if it is not there"),
    new Option("--name <text>", "required: what the key is called"),
    new Option("--tenant <name>", "whose models it sees").default("main"),
    new Option("--scope <names...>", "what it may do").choices(scopes).default(["ask", "read"]),
    new Option("--per-minute <n>", "requests it may make in a minute")
      .default(undefined, "any number")
      .argParser(wholeNumber(1)),
    jsonOption(),
  ];
  for (const option of options) command.addOption(option);
  const examples = `
Examples:
  $ loragen key --keys keys.json --name website
  $ loragen key --keys keys.json --name deploy --scope read write --per-minute 60`;
  command.addHelpText("after", examples).action((flags: KeyFlags) => keyCommand(context, flags));
}

async function keyCommand(context: CliContext, flags: KeyFlags): Promise<void> {
  const path = required(flags.keys, "key", "--keys FILE");
  const name = required(flags.name, "key", "--name TEXT");
  const { perMinute } = flags;
  const key = newKey();
  const added = {
    name,
    sha256: sha256(key),
    tenant: requireName(flags.tenant),
    scopes: [...flags.scope],
    ...(perMinute === undefined ? {} : { requestsPerMinute: perMinute }),
  };
  const release = await takeLock(`${path}.lock`, () => `${path}: another process is adding a key; try again`);
  try {
    const before = await readJsonFile(path, KeyFile, { code: "E_CONFIG" }).catch((error: unknown) => {
      if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
      throw error;
    });
    if (before?.keys.some((known) => known.name === name))
      throw new AppError("E_USAGE", `${path}: has a key called ${JSON.stringify(name)} already`);
    const file: KeyFile = { format: "lora-gen keys 1", keys: [...(before?.keys ?? []), added] };
    await writeJsonFile(path, file);
  } finally {
    await release();
  }
  printResult(context, flags, { key, ...added }, () => key);
}
