/** @file What the browser's tab keeps, also when the page is loaded anew: how long the cloud model read, by the hash of what it made. */

const keyOf = (object: string): string => `cloud pass, ms: ${object}`;

export function keepCloudMs(object: string, ms: number): void {
  try {
    sessionStorage.setItem(keyOf(object), String(ms));
  } catch {
    // A browser may keep nothing: the time is then not known later.
  }
}

export function cloudMsOf(object: string): number | undefined {
  try {
    const kept = sessionStorage.getItem(keyOf(object));
    return kept === null ? undefined : Number(kept);
  } catch {
    return undefined;
  }
}
