/** @file `loragen push`, `pull`, `list`, `diff`, `rollback` and `store`: the names that `loragen serve` answers to. */
import { Argument, type Command, Option } from "commander";
import { atOnce } from "../../base/at-once.ts";
import { AppError } from "../../base/errors.ts";
import { readSpecialization } from "../../pair/specialization-file.ts";
import { diffSpecializations } from "../../server/store/diff.ts";
import type { OwnName, Store, StoredName } from "../../server/store/store.ts";
import {
  type CertificateSummary,
  diffCertificates,
  summarizeCertificate,
} from "../../server/trust/certificate-diff.ts";
import { certificateDiffLines } from "../certificate-report.ts";
import { describeSpec } from "../constraint-flags.ts";
import type { CliContext } from "../context.ts";
import { percent, plural, shortHash } from "../format.ts";
import { jsonOption, required, wholeNumber } from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { replaceSpecialization } from "../replace-specialization.ts";
import { formatTable } from "../table.ts";
import { openStoreOf, storeOptions } from "./serve.ts";

type Flags = JsonFlag & { readonly store?: string; readonly tenant: string };

export function addStore(program: Command, context: CliContext): void {
  const add = (name: string, summary: string, examples: readonly string[]): Command => {
    const command = program
      .command(name)
      .summary(summary)
      .description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`)
      .addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ loragen ${example}`).join("\n")}`);
    for (const option of [...storeOptions(), jsonOption()]) command.addOption(option);
    return command;
  };
  const open = (flags: Flags): Promise<Store> => openStoreOf(context, flags.store);

  add("push", "give a specialisation a name that loragen serve answers to", [
    "push triage --specialization triage",
    "push stable --alias-of triage@3",
  ])
    .argument("<name>", "small letters, digits, . _ -")
    .option("--specialization <dir>", "required, unless --alias-of: folder or file of the specialisation")
    .option("--alias-of <name>", "instead of a specialisation: another name of NAME or NAME@VERSION")
    .action(async (name: string, flags: Flags & { readonly specialization?: string; readonly aliasOf?: string }) => {
      const store = await openStoreOf(context, flags.store, { makes: true });
      if (flags.aliasOf !== undefined) {
        if (flags.specialization !== undefined)
          throw new AppError("E_USAGE", "push: expected --specialization or --alias-of, found both");
        await store.alias(flags.tenant, name, flags.aliasOf);
        return printResult(
          context,
          flags,
          { name, aliasOf: flags.aliasOf },
          () => `${name} stands for ${flags.aliasOf}`,
        );
      }
      const content = await readSpecialization(required(flags.specialization, "push", "--specialization DIR"));
      const stored = await store.put(flags.tenant, name, content);
      printResult(context, flags, stored, () =>
        stored.isNew
          ? `${name}@${stored.version} is what ${name} stands for now`
          : `${name}@${stored.version} is that already`,
      );
    });

  add("pull", "write a specialisation of the store into a folder", ["pull triage@2 --out triage-2"])
    .argument("<name>", "NAME or NAME@VERSION")
    .option("--out <dir>", "required: the folder; an earlier specialisation in it is replaced, saying so")
    .action(async (name: string, flags: Flags & { readonly out?: string }) => {
      const out = required(flags.out, "pull", "--out DIR");
      const store = await open(flags);
      const found = await store.resolve(flags.tenant, name);
      const { file } = await replaceSpecialization(context, out, await store.read(found.object));
      printResult(context, flags, { ...found, file }, () => `${found.name}@${found.version} is ${file}`);
    });

  add("list", "the names of the store and their versions", ["list", "list --tenant shop --json"]).action(
    async (flags: Flags) => {
      const damaged: string[] = [];
      const store = await open(flags);
      const found = await store.list(flags.tenant, (name) => damaged.push(name));
      const warn = warnOn(context);
      for (const name of damaged) warn(`${name}: its file cannot be read; see loragen store verify`);
      const certificates = await certificatesOf(store, flags.tenant, found, warn);
      const names = found.map(({ format: _, ...rest }, i) => ({ ...rest, certificate: certificates[i] ?? null }));
      printResult(context, flags, { names, damaged }, () => nameTable(found, certificates));
    },
  );

  add("diff", "how two specialisations of the store differ", ["diff triage@1 triage@2"])
    .argument("<from>", "NAME or NAME@VERSION")
    .argument("<to>", "NAME or NAME@VERSION")
    .action(async (from: string, to: string, flags: Flags) => {
      const store = await open(flags);
      const [a, b] = [await store.resolve(flags.tenant, from), await store.resolve(flags.tenant, to)];
      const diff = diffSpecializations(await store.read(a.object), await store.read(b.object));
      const certificateOf = ({ object }: { readonly object: string }) => store.certificate(flags.tenant, object);
      const certificates = diffCertificates(await certificateOf(a), await certificateOf(b));
      printResult(context, flags, { from: a, to: b, ...diff, certificates }, () => {
        const { gates, similarity, samePrompt, promptTokens, constraint, samePair } = diff;
        const spec = (side: "from" | "to") => {
          const found = constraint?.[side];
          return found === null || found === undefined ? "free text" : describeSpec(found);
        };
        return [
          `gates    ${plural(gates.length, "gate")} differ${similarity === null ? "" : `, cosine ${similarity.toFixed(3)}`}`,
          `prompt   ${samePrompt === null ? "not comparable: one is anonymous" : samePrompt ? "the same" : `another one, ${promptTokens.from} → ${promptTokens.to} tokens`}`,
          `answers  ${constraint === null ? "of the same form" : `${spec("from")} → ${spec("to")}`}`,
          ...(samePair ? [] : ["made for different pairs"]),
          ...certificateDiffLines(certificates),
        ].join("\n");
      });
    });

  add("rollback", "let a name stand for an earlier version again", ["rollback triage", "rollback triage --to 1"])
    .argument("<name>")
    .addOption(
      new Option("--to <version>", "which version").argParser(wholeNumber(1)).default(undefined, "the one before"),
    )
    .action(async (name: string, flags: Flags & { readonly to?: number }) => {
      const found = await (await open(flags)).rollback(flags.tenant, name, flags.to);
      printResult(context, flags, found, () => `${name} stands for ${name}@${found.version} now`);
    });

  add("store", "look after the store: verify it, repair it, remove what no name points to, remove a name", [
    "store verify",
    "store collect",
    "store remove triage",
  ])
    .addArgument(new Argument("<what>", "what to do").choices(["verify", "repair", "collect", "remove"]))
    .argument("[name]", "of remove: the name")
    .action(async (what: "verify" | "repair" | "collect" | "remove", name: string | undefined, flags: Flags) => {
      const store = await open(flags);
      if (what === "collect") {
        const removed = await store.collect();
        return printResult(context, flags, { removed }, () => `removed ${plural(removed.length, "content")}`);
      }
      if (what === "remove") {
        const gone = required(name, "store remove", "NAME");
        await store.remove(flags.tenant, gone);
        return printResult(context, flags, { removed: gone }, () => `${gone} is no name any more`);
      }
      const report = await store[what]();
      printResult(context, flags, report, () =>
        [
          `${plural(report.names, "name")}, ${plural(report.versions, "version")}, ${plural(report.objects, "content")}, ${report.unused.length} unused`,
          ...report.damaged.map((each) => `${what === "repair" ? "forgotten" : "damaged"}: ${each}`),
        ].join("\n"),
      );
      if (what === "verify" && report.damaged.length > 0)
        throw new AppError(
          "E_FORMAT",
          `${plural(report.damaged.length, "entry", "entries")} damaged: loragen store repair`,
        );
    });
}

/** Of what each name stands for now: how it answered; undefined where it was not measured. */
async function certificatesOf(
  store: Store,
  tenant: string,
  names: readonly StoredName[],
  warn: (message: string) => void,
): Promise<(CertificateSummary | undefined)[]> {
  const found: (CertificateSummary | undefined)[] = [];
  await atOnce(names, 16, async ({ name }, at) => {
    try {
      const { object } = await store.resolve(tenant, name);
      const certificate = await store.certificate(tenant, object);
      found[at] = certificate && summarizeCertificate(certificate);
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "E_IO") throw error;
      warn(`${name}: ${error.message}`);
    }
  });
  return names.map((_, at) => found[at]);
}

const nameTable = (found: readonly StoredName[], certificates: readonly (CertificateSummary | undefined)[]): string => {
  if (found.length === 0) return "no names yet: loragen push NAME --specialization DIR";
  const row = (own: OwnName): string[] => {
    const current = own.versions.find(({ version }) => version === own.current)!;
    return [own.name, String(own.current), String(own.versions.length), current.at, shortHash(current.object)];
  };
  return formatTable(
    [
      { title: "name" },
      { title: "stands for" },
      { title: "versions", align: "right" },
      { title: "since" },
      { title: "content" },
      { title: "answers, score %" },
    ],
    found.map((file, i) => [
      ...("versions" in file ? row(file) : [file.name, file.aliasOf, "", "", ""]),
      answersWith(certificates[i]),
    ]),
  );
};

/** "specialized 91.5", "specialized 62.0 < 90.0" below the threshold */
function answersWith(certificate: CertificateSummary | undefined): string {
  if (certificate === undefined) return "not measured";
  const { answers, score, threshold = 0 } = certificate;
  if (score === null) return answers;
  return `${answers} ${percent(score.mean)}${score.mean < threshold ? ` < ${percent(threshold)}` : ""}`;
}
