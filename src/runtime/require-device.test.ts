import { expect, test } from "vitest";
import { watchSessions } from "../../test/support/watch-sessions.ts";
import { AppError } from "../base/errors.ts";
import { compile } from "./node.ts";
import { requireDevice } from "./require-device.ts";

const without = () => Promise.reject(new AppError("E_RUNTIME", "compile: ONNX Runtime: Failed to load shared library"));

test.each([
  ["cuda", /^device cuda: .*NVIDIA GPU.*CUDA 12.*install\.js.*the device cpu.*\(compile: .*Failed to load/],
  ["webgpu", /^device webgpu: .*Vulkan.*the device cpu.*Failed to load/],
] as const)("a machine without %s is told what is missing and what to do", async (device, message) => {
  await expect(requireDevice(device, without)).rejects.toMatchObject({
    code: "E_DEVICE",
    message: expect.stringMatching(message) as string,
  });
});

test("a device that computes is taken, and its session closed; processors are not asked", async () => {
  using sessions = watchSessions();
  let isRun = false;
  const onCpu: typeof compile = async (graph) => {
    const session = await compile(graph, { threads: 1 });
    const run = session.run.bind(session);
    session.run = async (...given) => {
      const results = await run(...given);
      isRun = true;
      return results;
    };
    return session;
  };
  await requireDevice("cuda", onCpu);
  expect([isRun, sessions.made(), sessions.released()]).toEqual([true, 1, 1]);
  await requireDevice("cpu", without);
});
