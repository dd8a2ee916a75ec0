/**
 * @file A store in a bucket of a real server, and two services over it:
 *
 *     npx tsx test/reliability/s3-store.ts [--endpoint http://127.0.0.1:9000 --bucket loragen] [--updates 40] [--kills 4] [--seed 1]
 *
 * The bucket has to be there, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY too. Without an endpoint a server in this process is asked. First
 * every claim of `test/support/storage-claims.ts`. Then two `loragen serve` write versions of one name at once, are killed while they write,
 * and lose the server for a while. Every version that was said to be there has to be there. Ends with 1 otherwise.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createRng } from "../../src/base/rng.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { encodeSpecialization } from "../../src/pair/specialization.ts";
import { openBucket, type S3Settings } from "../../src/server/store/bucket-client.ts";
import { bucketStorage } from "../../src/server/store/bucket-storage.ts";
import { openStore } from "../../src/server/store/store.ts";
import { fakeCredentials, fakeS3 } from "../support/fake-s3.ts";
import { machineClaims, storageClaims } from "../support/storage-claims.ts";
import { specializationOf, writeTinyPair } from "../support/tiny-pair.ts";

const { values } = parseArgs({
  options: {
    endpoint: { type: "string" },
    bucket: { type: "string", default: "bucket" },
    updates: { type: "string", default: "40" },
    kills: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
  },
});

let failures = 0;
const say = (text: string): void => void process.stdout.write(`${text}\n`);
function expect(isSo: boolean, what: string): void {
  if (!isSo) failures++;
  say(`${isSo ? "ok  " : "FAIL"} ${what}`);
}
const sleep = (ms: number) =>
  new Promise<void>((done) => {
    setTimeout(done, ms);
  });

/** Between the services and the server, so that the server can be away. */
async function cuttable(endpoint: string) {
  const { hostname, port } = new URL(endpoint);
  const sockets = new Set<Socket>();
  const state = { isCut: false };
  const server = createServer((socket) => {
    if (state.isCut) return void socket.destroy();
    const onward = connect(Number(port), hostname);
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from
        .on("error", () => undefined)
        .on("close", () => {
          sockets.delete(from);
          to.destroy();
        });
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    cut(isCut: boolean) {
      state.isCut = isCut;
      if (isCut) for (const socket of sockets) socket.destroy();
    },
    close: () => server.close(),
  };
}

type Running = { readonly child: ChildProcess; readonly url: string };

/** `loragen serve`, on a free port. */
function serve(pair: string, store: string, endpoint: string): Promise<Running> {
  const main = resolve(import.meta.dirname, "../../src/cli/main.ts");
  const flags = ["--pair", pair, "--store", store, "--port", "0", "--threads", "1", "--quiet", "--no-playground"];
  const env = { ...process.env, AWS_ENDPOINT_URL_S3: endpoint, LORAGEN_PROMPT_SECRET: "07".repeat(32) };
  const child = spawn(process.execPath, [...process.execArgv, main, "serve", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
    env,
  });
  return new Promise((done, fail) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      const url = /^(http:\S+)\/v1 answers/.exec(text)?.[1];
      if (url !== undefined) done({ child, url });
    });
    child.on("close", () => fail(new Error("a service ended by itself")));
  });
}
const ended = ({ child }: Running) => new Promise((done) => child.once("close", done));

async function claims(s3: S3Settings): Promise<void> {
  let count = 0;
  const place = () => `s3://${values.bucket}/claims-${process.pid}-${++count}`;
  const now = () => performance.now();
  const runs = [
    ...storageClaims.map(([title, check]) => {
      const where = place();
      const open = async () => bucketStorage(await openBucket(where, s3), { now, sleep });
      return { title, run: () => check(open) };
    }),
    ...machineClaims.map(([title, check]) => {
      const where = place();
      return { title, run: () => check(() => openStore(where, { s3 }), sleep) };
    }),
  ];
  for (const { title, run } of runs) {
    const error = await run().then(
      () => undefined,
      (found: unknown) => found,
    );
    expect(error === undefined, error === undefined ? title : `${title}: ${String(error)}`);
  }
}

async function services(endpoint: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "s3-store-"));
  const pairFolder = join(folder, "pair");
  await writeTinyPair(pairFolder);
  const pair = await loadPair(pairFolder);
  const where = `s3://${values.bucket}/services-${process.pid}`;
  const store = await openStore(where, { s3: { endpoint } });
  const between = await cuttable(endpoint);
  const start = () => serve(pairFolder, where, between.endpoint);
  const both = await Promise.all([start(), start()]);
  const rng = createRng(Number(values.seed));
  const said: { readonly version: number; readonly object: string }[] = [];

  async function update({ url }: Running): Promise<number> {
    const gates = Array.from({ length: pair.edge.config.layers }, () => [rng.next(), 0, 0, 1]);
    const body = encodeSpecialization(specializationOf(pair, gates));
    const response = await fetch(`${url}/v1/specializations/kept`, { method: "PUT", body });
    const told = (await response.json()) as (typeof said)[number];
    if (response.status === 201) said.push(told);
    return response.status;
  }
  async function check(what: string): Promise<void> {
    const { damaged } = await store.verify();
    await sleep(2_000);
    const name = await store.get("main", "kept");
    const versions = "versions" in name ? name.versions : [];
    const objects = new Map(versions.map(({ version, object }) => [version, object]));
    const lost = said.filter(({ version, object }) => objects.get(version) !== object);
    const isInOrder = versions.every(({ version }, i) => version === i + 1);
    expect(
      damaged.length === 0 && lost.length === 0 && isInOrder,
      `${what}: ${said.length} versions said to be there, ${versions.length} there, ${lost.length} lost, ${damaged.length} damaged`,
    );
  }
  const ask = async ({ url }: Running) => {
    const messages = [{ role: "user", content: "hello" }];
    const body = JSON.stringify({ model: "kept", messages, max_tokens: 4 });
    const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", body });
    return { status: response.status, model: ((await response.json()) as { model?: string }).model };
  };

  const each = Number(values.updates) / 2;
  const statuses = await Promise.all(both.flatMap((one) => Array.from({ length: each }, () => update(one))));
  expect(
    statuses.every((status) => status === 201),
    `${statuses.length} updates from both at once are all made`,
  );
  await check("after updates from both");
  const current = `kept@${said.length}`;
  const asked = await Promise.all(both.map(ask));
  expect(
    asked.every(({ model }) => model === current),
    `both answer by ${current}`,
  );

  for (let kill = 1; kill <= Number(values.kills); kill++) {
    const victim = kill % 2;
    let isOver = false;
    const writing = both.map(async (one) => {
      while (!isOver) await update(one).catch(() => undefined);
    });
    await sleep(300 + rng.next() * 1500);
    both[victim]!.child.kill("SIGKILL");
    await ended(both[victim]!);
    await sleep(300);
    isOver = true;
    await Promise.all(writing);
    await store.collect();
    both[victim] = await start();
    await check(`kill ${kill}`);
  }

  await Promise.all(both.map(ask));
  const before = await store.verify();
  between.cut(true);
  const writes = await Promise.all(both.map((one) => update(one)));
  expect(
    writes.every((status) => status === 503),
    `without the server writes are refused: ${writes}`,
  );
  await sleep(2_500);
  const answers = await Promise.all(both.map(ask));
  expect(
    answers.every(({ status }) => status === 200),
    "what is kept is answered",
  );
  const ready = await Promise.all(both.map(async ({ url }) => (await fetch(`${url}/readyz?store=required`)).status));
  expect(
    ready.every((status) => status === 503),
    `readyz?store=required: ${ready}`,
  );
  expect((await store.verify()).versions === before.versions, "nothing was half-written");
  between.cut(false);
  await sleep(2_500);
  const after = await Promise.all(both.map((one) => update(one)));
  expect(
    after.every((status) => status === 201),
    `it is back: writes are made: ${after}`,
  );
  await check("at the end");

  for (const one of both) {
    one.child.kill("SIGTERM");
    await ended(one);
  }
  between.close();
}

if (values.endpoint === undefined) Object.assign(process.env, fakeCredentials);
const fake = values.endpoint === undefined ? await fakeS3() : undefined;
const endpoint = values.endpoint ?? fake!.s3.endpoint;
await claims({ endpoint });
await services(endpoint);
await fake?.[Symbol.asyncDispose]();
say(failures === 0 ? "all as promised" : `${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
