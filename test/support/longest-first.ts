/** @file The order of test files: long ones begin first, so that no worker waits for another one's last file. */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Small files end a run best: most are unit tests. */
const projects = ["parity", "e2e", "fuzz", "unit"];

/** Files that take more than half a minute where most take a second. */
const long = [
  "test/parity/prompt-controls.test.ts",
  "test/parity/training.test.ts",
  "test/parity/llama-cpp.test.ts",
  "test/parity/published-llama-cpp.test.ts",
  "test/parity/llama-cpp-tokenizers.test.ts",
  "test/e2e/examples.test.ts",
  "test/e2e/commands.test.ts",
  "src/cli/hostile-files.fuzz.test.ts",
  "src/pair/generator.fuzz.test.ts",
  "runs/reproduce/skill-pages.test.ts",
  "runs/reproduce/pair-pages.test.ts",
  "runs/reproduce/trained-pages.test.ts",
  "runs/reproduce/ablations.test.ts",
  "src/hub/hub.test.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ project, moduleId }: TestSpecification): number => {
      const at = long.indexOf(relative(this.ctx.config.root, moduleId).replaceAll("\\", "/"));
      return projects.indexOf(project.name) * (long.length + 1) + (at < 0 ? long.length : at);
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
