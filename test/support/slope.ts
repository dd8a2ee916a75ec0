/** @file How fast something grows: a line through measurements in time, with an interval that allows for neighbours being alike. */

export type Slope = { readonly slope: number; readonly low: number; readonly high: number };

/** So many stretches of time, and Student's t of 95 % for a line through as many points. */
const stretches = 6;
const student = 2.776;

/**
 * Least squares through the means of six stretches of equal length, with their 95 % interval. Memory that rises and falls by itself has
 * measurements that are like their neighbours; an interval that took each for independent would be far too small. The means of long
 * stretches hardly depend on each other. What is left over is taken from the beginning.
 */
export function slopeOf(times: readonly number[], values: readonly number[]): Slope {
  const size = Math.floor(times.length / stretches);
  if (size === 0) throw new Error(`slope: expected at least ${stretches} measurements, found ${times.length}`);
  const first = times.length - size * stretches;
  const meansOf = (of: readonly number[]): number[] =>
    Array.from({ length: stretches }, (_, i) => mean(of.slice(first + i * size, first + (i + 1) * size)));
  const [x, y] = [meansOf(times), meansOf(values)];
  const [meanX, meanY] = [mean(x), mean(y)];
  const squares = sum(x.map((each) => (each - meanX) ** 2));
  const slope = sum(x.map((each, i) => (each - meanX) * (y[i]! - meanY))) / squares;
  const left = sum(x.map((each, i) => (y[i]! - meanY - slope * (each - meanX)) ** 2));
  const half = student * Math.sqrt(left / (stretches - 2) / squares);
  return { slope, low: slope - half, high: slope + half };
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
