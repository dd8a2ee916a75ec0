/** @file Sees every typed array and buffer that is asked for, to tell that no file makes its reader allocate more than it holds. */
import { vi } from "vitest";

const watched = [
  "ArrayBuffer",
  "Uint8Array",
  "Int8Array",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
] as const;

/** In bytes: the largest allocation, and all together. Set both to 0 to begin anew. */
export type Allocations = { largest: number; total: number };

/** Watches until `vi.unstubAllGlobals()` and `vi.restoreAllMocks()`. Views of an existing buffer count nothing, copies count. */
export function watchAllocations(): Allocations {
  const seen: Allocations = { largest: 0, total: 0 };
  function note(bytes: number): void {
    seen.largest = Math.max(seen.largest, bytes);
    seen.total += bytes;
  }
  for (const name of watched) {
    const original = globalThis[name] as unknown as { new (...args: unknown[]): object; BYTES_PER_ELEMENT?: number };
    const elementBytes = original.BYTES_PER_ELEMENT ?? 1;
    const construct = (target: typeof original, args: unknown[], newTarget: typeof original) => {
      const [size] = args;
      const count = typeof size === "number" ? size : (size as { length?: unknown } | undefined)?.length;
      if (typeof count === "number") note(count * elementBytes);
      return Reflect.construct(target, args, newTarget);
    };
    vi.stubGlobal(name, new Proxy(original, { construct }));
  }
  for (const name of ["alloc", "allocUnsafe"] as const) {
    const original = Buffer[name].bind(Buffer);
    vi.spyOn(Buffer, name).mockImplementation((size: number) => {
      note(size);
      return original(size);
    });
  }
  return seen;
}
