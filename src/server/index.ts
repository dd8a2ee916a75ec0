/** @file The public API of the service. */
export {
  createEngine,
  type Engine,
  type EngineOptions,
  type EngineRequest,
  type EngineState,
  engineDefaults,
  type Gates,
} from "./engine/engine.ts";
