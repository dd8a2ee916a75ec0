"""The peer of `real-size`: the same step as `train_1b.py` over frozen models of other architectures."""

import math

import torch
import torch.nn.functional as F

from common import arguments, llama, make_step, read_tensors, rotary_tables, rotate, serve

problem, threads = arguments()
config = problem["config"]
inputs = read_tensors(problem["inputs"])
frozen = read_tensors(problem["weights"])
tokens, targets, gates = inputs.pop("tokens"), inputs.pop("targets"), inputs.pop("gates")
pool = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
rank = problem["experts"]["rank"]
# One factor per stacked rank: (rows, layers, experts) → (layers, rows, 1, experts · rank).
factors = (gates * (problem["experts"]["alpha"] / rank)).repeat_interleave(rank, dim=-1).transpose(0, 1).unsqueeze(2)
rows, length = tokens.shape
heads, kv_heads, width = config["heads"], config["kvHeads"], config["headDim"]
split = lambda x, count: x.view(rows, length, count, width).transpose(1, 2)
join = lambda x: x.transpose(1, 2).reshape(rows, length, heads * width)

assert all(window == 0 or window >= length for window in config["windows"]), "windows shorter than a row"


def mixture(layer, name, x):
    a, b = pool[f"experts.0.mlp.{name}_proj.A"], pool[f"experts.0.mlp.{name}_proj.B"]
    return (F.linear(x, a) * factors[layer]) @ b


def linear(name, x):
    return F.linear(x, frozen[name + ".weight"], frozen.get(name + ".bias"))


def qwen2():
    cos, sin = rotary_tables(config, length)
    norm = lambda x, name: F.rms_norm(x, x.shape[-1:], frozen[name + ".weight"], config["epsilon"])
    x = F.embedding(tokens, frozen["model.embed_tokens.weight"])
    for i in range(config["layers"]):
        at = f"model.layers.{i}."
        mlp = lambda name, h: linear(f"{at}mlp.{name}_proj", h) + mixture(i, name, h)
        h = norm(x, at + "input_layernorm")
        q = rotate(split(linear(at + "self_attn.q_proj", h), heads), cos, sin)
        k = rotate(split(linear(at + "self_attn.k_proj", h), kv_heads), cos, sin)
        v = split(linear(at + "self_attn.v_proj", h), kv_heads)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + linear(at + "self_attn.o_proj", join(attended))
        h = norm(x, at + "post_attention_layernorm")
        x = x + mlp("down", F.silu(mlp("gate", h)) * mlp("up", h))
    return norm(x, "model.norm") @ frozen["model.embed_tokens.weight"].t()


def gemma2():
    cos, sin = rotary_tables(config, length)
    norm = lambda x, name: F.rms_norm(x, x.shape[-1:], 1 + frozen[name + ".weight"], config["epsilon"])
    cap = lambda x, limit: limit * torch.tanh(x / limit) if limit else x
    mask = torch.full((length, length), float("-inf")).triu(1)
    scale = 1 / math.sqrt(config["queryScalar"])
    x = F.embedding(tokens, frozen["model.embed_tokens.weight"]) * math.sqrt(config["hidden"])
    for i in range(config["layers"]):
        at = f"model.layers.{i}."
        mlp = lambda name, h: linear(f"{at}mlp.{name}_proj", h) + mixture(i, name, h)
        h = norm(x, at + "input_layernorm")
        q = rotate(split(linear(at + "self_attn.q_proj", h), heads), cos, sin)
        k = rotate(split(linear(at + "self_attn.k_proj", h), kv_heads), cos, sin)
        v = split(linear(at + "self_attn.v_proj", h), kv_heads)
        k, v = (y.repeat_interleave(heads // kv_heads, dim=1) for y in (k, v))
        # No fused attention of PyTorch on CPUs has a soft cap.
        scores = cap(q @ k.transpose(-1, -2) * scale, config["attentionCap"]) + mask
        x = x + norm(linear(at + "self_attn.o_proj", join(scores.softmax(-1) @ v)), at + "post_attention_layernorm")
        h = norm(x, at + "pre_feedforward_layernorm")
        inner = F.gelu(mlp("gate", h), approximate="tanh") * mlp("up", h)
        x = x + norm(mlp("down", inner), at + "post_feedforward_layernorm")
    return cap(norm(x, "model.norm") @ frozen["model.embed_tokens.weight"].t(), config["logitCap"])


def opt():
    base = "model.decoder."
    norm = lambda x, name: F.layer_norm(
        x, x.shape[-1:], frozen[name + ".weight"], frozen[name + ".bias"], config["epsilon"]
    )
    x = F.embedding(tokens, frozen[base + "embed_tokens.weight"])
    x = x + frozen[base + "embed_positions.weight"][2 : 2 + length]
    for i in range(config["layers"]):
        at = f"{base}layers.{i}."
        h = norm(x, at + "self_attn_layer_norm")
        q, k, v = (split(linear(f"{at}self_attn.{name}_proj", h), heads) for name in "qkv")
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(at + "self_attn.out_proj", join(attended))
        h = norm(x, at + "final_layer_norm")
        inner = F.relu(linear(at + "fc1", h) + mixture(i, "up", h))
        x = x + linear(at + "fc2", inner) + mixture(i, "down", inner)
    return norm(x, base + "final_layer_norm") @ frozen[base + "embed_tokens.weight"].t()


def llama_like():
    def mlp(layer, name, x):
        return linear(f"model.layers.{layer}.{name}", x) + mixture(layer, name.split(".")[1].removesuffix("_proj"), x)

    return llama(config, frozen, tokens, mlp)


forward = {"llama": llama_like, "qwen2": qwen2, "gemma2": gemma2, "opt": opt}[config["modelType"]]


def loss():
    logits = forward()
    return F.cross_entropy(logits.view(rows * length, -1), targets)


serve(threads, make_step(problem, list(pool.values()), loss))
