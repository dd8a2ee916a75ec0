/** @file Addresses as they may be shown. */
import { expect, test } from "vitest";
import { withoutCredentials } from "./url.ts";

test.each([
  ["https://me:secret@hub.example/x?a=b@c#d@e", "https://hub.example/x?a=b@c#d@e"],
  ["https://me@hub.example", "https://hub.example"],
  ["https://me:se@cret@hub.example/x", "https://hub.example/x"],
  ["HTTP:me:secret@hub.example", "HTTP:hub.example"],
  ["https://hub.example/owner/name@main", "https://hub.example/owner/name@main"],
  ["folder/name@main", "folder/name@main"],
])("%s is shown as %s", (address, shown) => {
  expect(withoutCredentials(address)).toBe(shown);
});
