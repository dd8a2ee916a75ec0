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
export { listenOn } from "./serve.ts";
export { createService, type Service, type ServiceOptions } from "./service.ts";
export { openStore, type Store } from "./store/store.ts";
