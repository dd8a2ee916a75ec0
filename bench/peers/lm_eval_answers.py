"""lm-evaluation-harness on the rows that `npm run reproduce -- parity-lm-eval` writes: the log-likelihoods of every choice.

    python bench/peers/lm_eval_answers.py FOLDER MODEL.gguf [TOKENIZER = the GGUF file] [--shots 0,5]

FOLDER has NAME-test.jsonl and NAME-shots.jsonl of each task, in the form of the harness's own data sets; `answers.json` is written there.
Prompts, targets and delimiters are the harness's: its own task files, read from the installed package, with local rows in the place of
the hub's. The model is what transformers makes of the GGUF file, dequantised to fp32. Needs lm-eval, transformers, gguf and torch.
"""

import argparse
import json
from pathlib import Path

import lm_eval
import torch
from gguf import GGUFReader
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from transformers import AutoModelForCausalLM, AutoTokenizer

# The harness's file of each task, by our name.
TASKS = {
    "arc-e": "arc/arc_easy.yaml",
    "piqa": "piqa/piqa.yaml",
    "winogrande": "winogrande/default.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
}


def local_task(name: str, folder: Path) -> dict:
    """The harness's own configuration over local rows: `test` is asked, `shots` stands in front in its order."""
    config = dict(load_yaml(Path(lm_eval.__file__).parent / "tasks" / TASKS[name]))
    for key in ("dataset_name", "training_split", "validation_split", "tag"):
        config.pop(key, None)
    files = {split: str(folder / f"{name}-{split}.jsonl") for split in ("test", "shots")}
    return {
        **config,
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        "fewshot_split": "shots",
        "fewshot_config": {"sampler": "first_n"},
    }


def gguf_tokenizer(path: Path):
    """What transformers reads, with the splitting of digits that it leaves out of tokenizers called `smollm`."""
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    field = GGUFReader(path).fields.get("tokenizer.ggml.pre")
    if field is not None and bytes(field.parts[field.data[0]]).decode() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
        )
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("tokenizer", nargs="?")
    parser.add_argument("--shots", default="0,5")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(
        options.model.parent, gguf_file=options.model.name, dtype=torch.float32
    ).eval()
    tokenizer = (
        AutoTokenizer.from_pretrained(options.tokenizer)
        if options.tokenizer
        else gguf_tokenizer(options.model)
    )
    harness = HFLM(pretrained=model, tokenizer=tokenizer, backend="causal", device="cpu", batch_size=4)
    tasks = TaskManager(include_defaults=False)  # reading all task files of the package takes minutes
    names = [name for name in TASKS if (options.folder / f"{name}-test.jsonl").exists()]
    answers: dict[str, dict[str, list[list[float]]]] = {name: {} for name in names}
    path = options.folder / "answers.json"
    for shots in options.shots.split(","):
        for name in names:
            found = simple_evaluate(
                harness,
                tasks=[local_task(name, options.folder)],
                num_fewshot=int(shots),
                bootstrap_iters=0,
                task_manager=tasks,
            )
            samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
            answers[name][shots] = [
                [float(response[0]) for response in sample["filtered_resps"]] for sample in samples
            ]
            path.write_text(json.dumps({"version": lm_eval.__version__, "answers": answers}))


if __name__ == "__main__":
    main()
