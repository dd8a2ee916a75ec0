/** @file What one tenant has is not there for another: not to be seen, changed, or told from what nobody has. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { sha256 } from "../base/hash.ts";
import { routes } from "./app.ts";
import { type KeyFile, scopes } from "./keys.ts";

const tenants = ["ours", "theirs"] as const;
const keys: KeyFile = {
  format: "lora-gen keys 1",
  keys: tenants.map((tenant) => ({ name: tenant, sha256: sha256(`key-${tenant}`), tenant, scopes: [...scopes] })),
};
const prompt = "Say what the customer wants.";
const messages = [{ role: "user", content: "hello" }];
const examples = [{ input: "hello", output: "hi" }];

let service: TinyService;
const as = (tenant: (typeof tenants)[number], method: string, path: string, body?: object): Promise<Response> =>
  service.ask(path, undefined, {
    method,
    headers: { authorization: `Bearer key-${tenant}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
beforeAll(async () => {
  service = await openTinyService(await openTinyPair(), { keys });
  for (const text of [prompt, `${prompt} Be brief.`])
    expect((await as("ours", "POST", "/v1/specializations", { name: "mine", prompt: text })).status).toBe(201);
  expect((await as("ours", "POST", "/v1/aliases", { name: "live", target: "mine@1" })).status).toBe(200);
  expect((await as("theirs", "POST", "/v1/specializations", { name: "other", prompt })).status).toBe(201);
  await as("ours", "POST", "/v1/specializations/mine/certificate", { examples });
  const state = async () => {
    const found = await as("ours", "GET", "/v1/specializations/mine/certificate");
    return ((await found.json()) as { status: string }).status;
  };
  while ((await state()) === "running") await new Promise((done) => setImmediate(done));
  expect(await state()).toBe("done");
});
afterAll(() => service.close());

const at = "/v1/specializations";
/** Each as another tenant asks it, about a name that it does not have. */
type Asked = readonly [method: string, path: string, body?: object | undefined];
const asked: readonly Asked[] = [
  ["GET", `${at}/NAME`],
  ["GET", `${at}/NAME@1`],
  ["GET", "/v1/models/NAME"],
  ["GET", "/v1/models/NAME@1"],
  ["GET", `${at}/NAME/diff?against=other`],
  ["GET", `${at}/other/diff?against=NAME`],
  ["GET", `${at}/other/diff?against=NAME@1`],
  ["GET", `${at}/NAME/export?format=peft`],
  ["GET", `${at}/NAME@1/export?format=gguf`],
  ["GET", `${at}/NAME/certificate`],
  ["POST", `${at}/NAME/certificate`, { examples }],
  ["DELETE", `${at}/NAME/certificate`],
  ["GET", `${at}/NAME/why`],
  ["POST", `${at}/NAME/why`, { prompt }],
  ["POST", "/v1/aliases", { name: "taken", target: "NAME" }],
  ["POST", "/v1/aliases", { name: "taken", target: "NAME@1" }],
  ["POST", `${at}/NAME/rollback`, {}],
  ["POST", `${at}/NAME/rollback`, { version: 1 }],
  ["DELETE", `${at}/NAME`],
  ["POST", "/v1/unload_lora_adapter", { lora_name: "NAME" }],
  ["POST", "/v1/chat/completions", { model: "NAME", messages }],
  ["POST", "/v1/chat/completions", { model: "NAME@1", messages, stream: true }],
  ["POST", "/v1/chat/completions", { model: "other", messages, constraint_of: "NAME" }],
  ["POST", "/v1/completions", { model: "NAME@1", prompt: "hello" }],
];
function of(name: string, [method, path, body]: Asked): Asked {
  const put = (text: string) => text.replace("NAME", name);
  return [method, put(path), body && (JSON.parse(put(JSON.stringify(body))) as object)];
}

test.each(asked.map((request) => ({ request, title: request.slice(0, 2).join(" ") })))(
  "$title: another tenant's name is not found, in the very words for one that nobody has",
  async ({ request }) => {
    const before = await ours();
    const answers: [status: number, text: string][] = [];
    for (const name of ["mine", "live", "nobody"]) {
      if (name === "live" && JSON.stringify(request).includes("NAME@")) continue; // another name has no versions
      const response = await as("theirs", ...of(name, request));
      answers.push([response.status, (await response.text()).replaceAll(name, "NAME")]);
    }
    for (const answer of answers) expect(answer).toEqual([404, answers.at(-1)![1]]);
    expect(await ours()).toEqual(before);
  },
);

/** All that the tenant has who is asked about. */
async function ours() {
  const paths = [at, "/v1/models", `${at}/mine@2`, `${at}/mine/certificate`];
  const found = await Promise.all(paths.map(async (path) => (await as("ours", "GET", path)).json()));
  expect(JSON.stringify(found)).toContain('"done"');
  return found;
}

test("what a tenant writes under a name of another's is its own", async () => {
  const before = await ours();
  const made = await as("theirs", "POST", at, { name: "mine", prompt: "Answer in capitals." });
  expect([made.status, await made.json()]).toMatchObject([201, { version: 1, computed: true }]);
  expect(await ours()).toEqual(before);
  expect((await as("theirs", "DELETE", `${at}/mine`)).status).toBe(200);
  expect(await ours()).toEqual(before);
});

test("every address with a name is among them", () => {
  const paths = asked.map(
    ([method, path]) => `${method.toLowerCase()} ${path.replace(/NAME(@1)?|other/, ":name").replace(/\?.*/, "")}`,
  );
  const named = routes.map(({ method, path }) => `${method} ${path}`).filter((route) => route.includes(":name"));
  expect(named.filter((route) => !paths.includes(route))).toEqual([`put ${at}/:name`]); // which makes one of its own
});
