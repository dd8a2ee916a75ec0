import { expect, test } from "vitest";
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
  const onCpu: typeof compile = (graph) => compile(graph, { threads: 1 });
  await requireDevice("cuda", onCpu);
  await requireDevice("cpu", without);
});
