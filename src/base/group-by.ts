/** @file What `Map.groupBy` does, which Node 20 has not. */

/** Values under their keys, both in the order in which they come. */
export function groupBy<T, Key = string>(values: readonly T[], keyOf: (value: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
