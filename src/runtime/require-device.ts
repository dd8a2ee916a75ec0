/** @file Whether a device can be had on this machine, asked before there is work for it. */
import { AppError } from "../base/errors.ts";
import { input, neg } from "../graph/build.ts";
import { compile } from "./node.ts";
import type { Device } from "./session.ts";
import { floatTensor } from "./tensor.ts";

/** What each device needs; the words for who lacks it. */
const needs: Readonly<Record<Device, string | undefined>> = {
  cpu: undefined,
  wasm: undefined,
  cuda: "it needs an NVIDIA GPU with its driver, CUDA 12, cuDNN 9, and ONNX Runtime's own library for them, which on Linux x64 `ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js` fetches",
  webgpu:
    "it needs a GPU with a driver that WebGPU can use: Vulkan on Linux (libvulkan.so.1), Direct3D 12 on Windows, Metal on macOS",
};

/**
 * Computes one number on a device.
 * @throws E_DEVICE saying what it needs, in ONNX Runtime's words what is missing, and what can be done
 */
export async function requireDevice(device: Device, open: typeof compile = compile): Promise<void> {
  const needed = needs[device];
  if (needed === undefined) return;
  try {
    await using session = await open({ outputs: { minus: neg(input("x", [1])) } }, { device, threads: 1 });
    await session.run({ x: floatTensor([1], [1]) });
  } catch (error) {
    const { message } = error as Error;
    throw new AppError(
      "E_DEVICE",
      `device ${device}: cannot be used here: ${needed}; or choose the device cpu. (${message})`,
      { cause: error },
    );
  }
}
