/** @file The model as it is, reading the input alone. */
import { freeOfCost, type Method } from "./method.ts";

export const base: Method = {
  summary: "the edge model, input alone",
  needs: { training: "nothing", beside: "nothing" },
  prepare: async ({ model }) => ({ model, cost: freeOfCost }),
};
