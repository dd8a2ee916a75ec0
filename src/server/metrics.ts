/** @file What is counted, in the text format that Prometheus reads. */
import type { EngineState } from "./engine/engine.ts";

export type Metrics = {
  /**
   * @param route as it is written in the code: no name of a model in it
   * @param seconds undefined where no route took the request: such answers tell nothing of how long the service takes
   */
  request(route: string, status: number, seconds: number | undefined): void;
  tokens(usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly tokens_saved: number;
  }): void;
  /** A question of a certificate. */
  certified(usage: { readonly prompt_tokens: number; readonly completion_tokens: number }): void;
  text(engine: EngineState, held: { readonly constraintBytes: number }): string;
};

const buckets = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100] as const;

export function createMetrics(): Metrics {
  const requests = new Map<string, number>();
  const counts = buckets.map(() => 0);
  const time = { sum: 0, count: 0 };
  const tokens = { prompt: 0, completion: 0, saved: 0 };
  let certified = 0;
  return {
    request(route, status, seconds) {
      const labels = `route="${route}",status="${status}"`;
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
      if (seconds === undefined) return;
      buckets.forEach((bound, i) => {
        if (seconds <= bound) counts[i]!++;
      });
      time.sum += seconds;
      time.count++;
    },
    tokens({ prompt_tokens, completion_tokens, tokens_saved }) {
      tokens.prompt += prompt_tokens;
      tokens.completion += completion_tokens;
      tokens.saved += tokens_saved;
    },
    certified({ prompt_tokens, completion_tokens }) {
      certified++;
      tokens.prompt += prompt_tokens;
      tokens.completion += completion_tokens;
    },
    text(engine, { constraintBytes }) {
      const lines: string[] = [];
      const metric = (name: string, type: string, help: string, values: readonly (readonly [string, number])[]) => {
        lines.push(`# HELP loragen_${name} ${help}`, `# TYPE loragen_${name} ${type}`);
        for (const [suffix, value] of values) lines.push(`loragen_${name}${suffix} ${value}`);
      };
      metric(
        "requests_total",
        "counter",
        "Requests answered, by route and status.",
        [...requests].map(([labels, n]) => [`{${labels}}`, n]),
      );
      metric("request_seconds", "histogram", "Time from a request to the end of its answer.", [
        ...buckets.map((bound, i) => [`_bucket{le="${bound}"}`, counts[i]!] as const),
        ['_bucket{le="+Inf"}', time.count],
        ["_sum", time.sum],
        ["_count", time.count],
      ]);
      metric("tokens_total", "counter", "Tokens read, generated, and saved by specialisations.", [
        ['{kind="prompt"}', tokens.prompt],
        ['{kind="completion"}', tokens.completion],
        ['{kind="saved"}', tokens.saved],
      ]);
      metric("certificate_questions_total", "counter", "Questions asked for certificates, of all parties.", [
        ["", certified],
      ]);
      metric("engine_running", "gauge", "Requests that are computed now.", [["", engine.running]]);
      metric("engine_waiting", "gauge", "Requests that wait.", [["", engine.waiting]]);
      metric("engine_parked", "gauge", "Of those that wait: begun, and set aside until there is room.", [
        ["", engine.parked],
      ]);
      metric("engine_parks_total", "counter", "How often a request was set aside.", [["", engine.parks]]);
      metric("engine_steps_total", "counter", "Steps of the model.", [["", engine.steps]]);
      metric("engine_rows_total", "counter", "Rows of all steps.", [["", engine.rows]]);
      metric("engine_prefix_tokens_reused_total", "counter", "Tokens of prompts that were not read again.", [
        ["", engine.prefixTokensReused],
      ]);
      metric("engine_prefix_bytes", "gauge", "Keys and values of prompts that are kept.", [["", engine.prefixBytes]]);
      metric("constraint_bytes", "gauge", "Compiled constraints that are kept, about.", [["", constraintBytes]]);
      return `${lines.join("\n")}\n`;
    },
  };
}
