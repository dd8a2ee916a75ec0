/** @file Numbers for people: bytes, counts, milliseconds, shares, changes of logits. */
import type { LogitChange } from "../decode/compare-logits.ts";

const scaled = (value: number, units: readonly string[]): string => {
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(size.toPrecision(3))}${units[unit]}`;
};

/** 312 → "312 bytes", 48_000_000 → "48 MB". */
export const formatBytes = (bytes: number): string => scaled(bytes, [" bytes", " kB", " MB", " GB", " TB"]);

/** 4_356_096 → "4.36 M". */
export const formatCount = (count: number): string => scaled(count, ["", " k", " M", " G"]);

/** 0.42 → "0.42 ms", 83.6 → "83.6 ms", 12_345 → "12.3 s". */
export function formatMs(ms: number): string {
  if (ms < 999.5) return `${Number(ms.toPrecision(ms < 10 ? 2 : 3))} ms`;
  return `${Number((ms / 1000).toPrecision(3))} s`;
}

/** 0.8542 → "85.4", for tables whose titles say percent. */
export const percent = (share: number): string => (100 * share).toFixed(1);

/** 0.8542 → "85.4 %". */
export const formatShare = (share: number): string => `${percent(share)} %`;

/** Enough of a hash to tell it from others. */
export const shortHash = (hash: string): string => hash.slice(0, 12);

/** "1 token", "2 tokens"; "2 queries" where the plural is given. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** What requantising costs. */
export const formatLogitChange = ({ largest, mean, agreement, tokens }: LogitChange): string =>
  `logits move by ${largest.toFixed(3)} at most, ${mean.toFixed(4)} on average; the likeliest token stays at ${Math.round(agreement * tokens)} of ${tokens} positions`;
