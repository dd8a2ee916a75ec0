/** @file Counts the sessions that ONNX Runtime makes and is given back; the last of some it refuses to make. */
import { InferenceSession } from "onnxruntime-node";
import { vi } from "vitest";

export type WatchedSessions = Disposable & { readonly made: () => number; readonly released: () => number };

/** From now on until disposed of. `refuseFrom`: how many are made before the rest are refused. */
export function watchSessions({ refuseFrom = Infinity } = {}): WatchedSessions {
  let [made, released] = [0, 0];
  const create = InferenceSession.create as (model: Uint8Array, options?: object) => Promise<InferenceSession>;
  const spy = vi.spyOn(InferenceSession, "create").mockImplementation((async (model: Uint8Array, options?: object) => {
    if (made === refuseFrom) throw new Error("no more sessions");
    made++;
    const session = await create.call(InferenceSession, model, options);
    const release = session.release.bind(session);
    session.release = async () => {
      released++;
      await release();
    };
    return session;
  }) as typeof InferenceSession.create);
  return { made: () => made, released: () => released, [Symbol.dispose]: () => spy.mockRestore() };
}
