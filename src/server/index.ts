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
export { remoteAnswers } from "./remote-answers.ts";
export { remoteCloud } from "./remote-cloud.ts";
export { type Listening, type ListenOptions, listenOn } from "./serve.ts";
export { createService, type Service, type ServiceOptions } from "./service.ts";
export { openStore, type Store } from "./store/store.ts";
