/** @file The most memory that this process has had. */
import { peakResidentMb } from "../../bench/support/memory.ts";

/**
 * In bytes. The system's own peak (VmHWM) where it tells one: Linux counts in `maxRSS` what the process was before its
 * program was loaded, a copy of the process that started it, however large that is.
 */
export const peakResidentBytes = (): number =>
  (peakResidentMb() ?? (process.resourceUsage().maxRSS * 1024) / 1e6) * 1e6;
