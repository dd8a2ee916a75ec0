/** @file The calibration of an evaluation's probabilities as one table. */
import type { Calibration, CalibrationReport } from "../eval/calibration.ts";
import type { TableMaker } from "./eval-report.ts";
import { percent } from "./format.ts";

const accuracyAt = ({ accuracyAt: curve }: Calibration, wanted: number): string =>
  percent(curve.find(({ coverage }) => coverage === wanted)!.accuracy);

const titles = [
  "stratum",
  "method",
  "n",
  "accuracy, %",
  "mean confidence, %",
  "calibration error, points",
  "temperature",
  "error with it, points",
  "accuracy of the surest 80 %",
  "of the surest 50 %",
];

export const describeCalibration = ({ temperatures, strata }: CalibrationReport, table: TableMaker): string =>
  table(
    titles.map((title, i) => (i < 2 ? { title } : { title, align: "right" })),
    Object.entries(strata).flatMap(([stratum, methods]) =>
      Object.entries(methods).map(([method, { plain, fitted }]) => [
        stratum,
        method,
        String(plain.n),
        percent(plain.accuracy),
        percent(plain.meanConfidence),
        percent(plain.error),
        temperatures[method]?.toFixed(2) ?? "",
        fitted === undefined ? "" : percent(fitted.error),
        accuracyAt(plain, 0.8),
        accuracyAt(plain, 0.5),
      ]),
    ),
  );
