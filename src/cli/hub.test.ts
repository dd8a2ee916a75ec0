import { expect, test } from "vitest";
import { hubSettings } from "./hub.ts";

const settings = (env: Record<string, string>) => hubSettings(env, "/home/me");

test("models are kept where Hugging Face's tools keep them", () => {
  expect(settings({}).cache).toBe("/home/me/.cache/huggingface/hub");
  expect(settings({ XDG_CACHE_HOME: "/c" }).cache).toBe("/c/huggingface/hub");
  expect(settings({ XDG_CACHE_HOME: "/c", HF_HOME: "/hf" }).cache).toBe("/hf/hub");
  expect(settings({ HF_HOME: "/hf", HF_HUB_CACHE: "/hub" }).cache).toBe("/hub");
});

test("token, mirror and offline use come from the environment; what is empty is not given", () => {
  expect(settings({})).toMatchObject({ url: "https://huggingface.co", token: undefined, isOffline: false });
  const given = settings({ HF_TOKEN: "t\n", HF_ENDPOINT: "http://mirror", HF_HUB_OFFLINE: "1" });
  expect(given).toMatchObject({ url: "http://mirror", token: "t", isOffline: true });
  expect(settings({ HF_TOKEN: "", HF_HUB_OFFLINE: "0" })).toMatchObject({ token: undefined, isOffline: false });
});
