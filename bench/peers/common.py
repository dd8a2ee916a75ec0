"""What the peers share: reading safetensors, a Llama model in PyTorch's own operators, and answering step by step."""

import json
import math
import mmap
import sys
import time

import torch
import torch.nn.functional as F

COMPILED = "compiled" in sys.argv[3:]
DTYPES = {"F32": torch.float32, "I64": torch.int64}


def read_tensors(path):
    """The tensors of a safetensors file, mapped: frozen weights are not copied."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    header_length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_length])
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        start, end = info["data_offsets"]
        dtype = DTYPES[info["dtype"]]
        count = (end - start) // dtype.itemsize
        flat = torch.frombuffer(data, dtype=dtype, count=count, offset=8 + header_length + start)
        tensors[name] = flat.view(info["shape"])
    return tensors


def rotary_tables(config, length):
    half = config["headDim"] // 2
    frequencies = config["ropeTheta"] ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-b, a], dim=-1) * sin


def llama_hidden(config, weights, x, linear_of):
    """What leaves the last norm, (rows, time, width), of embedded tokens. `linear_of(layer, name, x)` is any linear map."""
    rows, length, _ = x.shape
    heads, kv_heads, width = config["heads"], config["kvHeads"], config["headDim"]
    cos, sin = rotary_tables(config, length)
    norm = lambda x, name: F.rms_norm(x, x.shape[-1:], weights[name + ".weight"], config["epsilon"])
    split = lambda x, count: x.view(rows, length, count, width).transpose(1, 2)
    for i in range(config["layers"]):
        at = f"model.layers.{i}."
        linear = lambda name, h: linear_of(i, name, h)
        h = norm(x, at + "input_layernorm")
        q = rotate(split(linear("self_attn.q_proj", h), heads), cos, sin)
        k = rotate(split(linear("self_attn.k_proj", h), kv_heads), cos, sin)
        v = split(linear("self_attn.v_proj", h), kv_heads)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=kv_heads != heads)
        x = x + linear("self_attn.o_proj", attended.transpose(1, 2).reshape(rows, length, heads * width))
        h = norm(x, at + "post_attention_layernorm")
        x = x + linear("mlp.down_proj", F.silu(linear("mlp.gate_proj", h)) * linear("mlp.up_proj", h))
    return norm(x, "model.norm")


def llama(config, weights, tokens, mlp):
    """Logits (rows·time, vocab). `mlp(layer, name, x)` is a linear map of the feed-forward block."""
    plain = lambda layer, name, x: F.linear(x, weights[f"model.layers.{layer}.{name}.weight"])
    linear = lambda layer, name, x: (mlp if name.startswith("mlp.") else plain)(layer, name, x)
    hidden = llama_hidden(config, weights, F.embedding(tokens, weights["model.embed_tokens.weight"]), linear)
    head = "model.embed_tokens.weight" if config["tied"] else "lm_head.weight"
    return F.linear(hidden, weights[head]).view(tokens.numel(), -1)


def make_step(problem, parameters, loss_of):
    """A full training step: forward, backward, clipping by the global norm, AdamW with decay on matrices only."""
    if COMPILED:
        loss_of = torch.compile(loss_of)
    settings = problem["optimizer"]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings["weightDecay"]},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=problem["learningRate"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        fused=True,
    )

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, problem["maxGradientNorm"])
        optimizer.step()
        return {"loss": loss.item(), "gradientNorm": norm.item()}

    return step


def peak_resident_mb():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return None


def arguments():
    problem, threads = json.loads(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return problem, threads


def serve(threads, step):
    """Says that it is ready, then answers `step`, which gives named numbers, and `memory`, a line each."""
    send = lambda answer: print(json.dumps(answer), flush=True)
    blas = "MKL" if torch.backends.mkl.is_available() else "no MKL"
    send({"description": f"PyTorch {torch.__version__}, {'compiled' if COMPILED else 'eager'}, CPU, {threads} threads, {blas}"})
    for line in sys.stdin:
        if line.strip() == "step":
            start = time.perf_counter()
            found = step()
            ms = (time.perf_counter() - start) * 1000
            send({"ms": ms, **{name: value if math.isfinite(value) else None for name, value in found.items()}})
        else:
            send({"peakMb": peak_resident_mb()})
