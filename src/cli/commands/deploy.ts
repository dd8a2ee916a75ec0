/** @file `loragen deploy`: a specialisation of the store on a server of another tool, verified by asking both. */
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { isFolder } from "../../base/folder.ts";
import { exportFormats } from "../../export/formats.ts";
import { runExport } from "../../export/run-export.ts";
import { specializationSource } from "../../export/specialization-source.ts";
import { loadPair } from "../../pair/pair-file.ts";
import { requireAddress } from "../../server/remote.ts";
import { answeringContent } from "../../server/trust/answering-content.ts";
import type { CliContext } from "../context.ts";
import { llamaCpp } from "../deploy/llama-cpp.ts";
import type { Target } from "../deploy/target.ts";
import { probes, verify } from "../deploy/verify.ts";
import { vllm } from "../deploy/vllm.ts";
import { baseNameOption, edgeName, timedExport } from "../export-source.ts";
import { interruptible } from "../interruptible.ts";
import { jsonOption, pairOption, required, threadsOption } from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { openStoreOf, storeOptions } from "./serve.ts";

const targets = { vllm, "llama.cpp": llamaCpp } as const satisfies Record<string, Target>;
type TargetName = keyof typeof targets;

type Flags = JsonFlag & {
  readonly to?: TargetName;
  readonly as?: string;
  readonly out?: string;
  readonly serverPath?: string;
  readonly input?: readonly string[];
  readonly apply?: boolean;
  readonly baseName?: string;
  readonly store?: string;
  readonly tenant: string;
  readonly pair: string;
  readonly threads: number;
};

const examples = `
The server must run the pair's edge model. It reads the adapter from --out, or from where it sees that folder.
vLLM must be started with --enable-lora, a --max-lora-rank that is large enough, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True.
LORAGEN_DEPLOY_KEY is the server's key.

Examples:
  $ loragen deploy triage --to vllm http://gpu:8000 --out /shared/adapters --server-path /adapters
  $ loragen deploy triage@2 --to llama.cpp http://localhost:8081 --out adapters --input "where is my parcel?" "cancel it" "hello"`;

export function addDeploy(program: Command, context: CliContext): void {
  const command = program
    .command("deploy")
    .summary("bring a specialisation of the store to a vLLM or llama.cpp server")
    .description("Exports a specialisation, loads it into a server of another tool, and verifies it by asking both.")
    .argument("<name>", "NAME or NAME@VERSION")
    .argument("<url>", "the server's address, such as http://localhost:8000");
  const options = [
    new Option("--to <tool>", "required: what the server is").choices(Object.keys(targets)),
    new Option("--out <dir>", "required: the folder of adapters; each content gets a folder of its own in it"),
    new Option("--server-path <dir>", "where the server sees that folder").default(undefined, "the same path"),
    new Option("--as <name>", "vllm: the model name there").default(undefined, "NAME"),
    new Option("--apply", "llama.cpp: it answers all requests from now on"),
    new Option("--input <texts...>", "what both are asked").default(undefined, `${probes.length} short questions`),
    baseNameOption(),
    ...storeOptions(),
    pairOption(),
    threadsOption(),
    jsonOption(),
  ];
  for (const option of options) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((name: string, url: string, flags: Flags) =>
      interruptible(context, (signal) => run(context, name, url, flags, signal)),
    );
}

async function run(context: CliContext, reference: string, url: string, flags: Flags, signal: AbortSignal) {
  const target = targets[required(flags.to, "deploy", "--to vllm or llama.cpp")];
  const out = resolve(required(flags.out, "deploy", "--out DIR"));
  const remote = { what: `${target.tool} server`, url: requireAddress("deploy", url), key: context.deployKey };
  const store = await openStoreOf(context, flags.store);
  const { name, version, object } = await store.resolve(flags.tenant, reference);
  const certificate = await store.certificate(flags.tenant, object);
  const content = answeringContent(reference, await store.read(object), certificate);
  const { resolveModel } = context;
  const pair = await loadPair(flags.pair, { resolveModel, keepBlocks: false, warn: warnOn(context) });
  const source = specializationSource(pair, content, await edgeName(flags, pair));
  const folder = `${name}-${source.adapterSha256.slice(0, 16)}-${target.format}`; // its content is its name
  if (!(await isFolder(join(out, folder))))
    await timedExport(context, (onStep) =>
      runExport(exportFormats[target.format], { ...source, scale: 1, out: join(out, folder), signal, onStep }),
    );
  const path = join(flags.serverPath ?? out, folder, target.file);
  const adapter = { name: flags.as ?? name, path, isForAll: flags.apply ?? false };
  const trial = await target.load(remote, adapter, signal);
  try {
    const { threads } = flags;
    const found = await verify(pair, content, flags.input ?? probes, trial.ask, { threads, signal });
    await trial.publish();
    const told = { model: `${name}@${version}`, to: flags.to, url: remote.url, path, use: trial.use, ...found };
    printResult(context, flags, told, () =>
      [
        `${name}@${version} answers on ${remote.url}`,
        `adapter  ${path}`,
        `asked    ${found.asked} inputs that tell it from the base model: ${found.same} answered as here, ${found.asBase} as the base model`,
        `use      ${trial.use}`,
      ].join("\n"),
    );
  } finally {
    await trial.close().catch(() => undefined); // the first error is the one to tell
  }
}
