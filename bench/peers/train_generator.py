"""A generator's whole training step in PyTorch: LoRA on the cloud's q and v, meta tokens, router, experts, both models frozen and mapped."""

import torch
import torch.nn.functional as F

from common import arguments, llama, llama_hidden, make_step, read_tensors, serve

problem, threads = arguments()
pair, generator = problem["pair"], problem["pair"]["generator"]
inputs = read_tensors(problem["inputs"])
cloud = read_tensors(problem["cloud"] + "/model.safetensors")
edge = cloud if problem["edge"] == problem["cloud"] else read_tensors(problem["edge"] + "/model.safetensors")
prompts, tokens, targets = (inputs.pop(name) for name in ("prompts", "tokens", "targets"))
trained = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
layers, count, rank = pair["edge"]["layers"], generator["experts"], generator["rank"]
prompt_of = torch.arange(len(tokens)) * len(prompts) // len(tokens)


def cloud_linear(layer, name, x):
    plain = F.linear(x, cloud[f"model.layers.{layer}.{name}.weight"])
    if name not in ("self_attn.q_proj", "self_attn.v_proj"):
        return plain
    a, b = (trained[f"cloud.{layer}.{name}.lora_{side}"] for side in "AB")
    return plain + generator["cloudAlpha"] / generator["cloudRank"] * F.linear(F.linear(x, a), b)


def gates():
    """(prompts, layers, experts): eq. 3 with statistics of the batch, eq. 5."""
    meta = trained["meta.embedding"].expand(len(prompts), layers, -1)
    x = torch.cat([F.embedding(prompts, cloud["model.embed_tokens.weight"]), meta], dim=1)
    rows = llama_hidden(pair["cloud"], cloud, x, cloud_linear)[:, -layers:].reshape(len(prompts) * layers, -1)
    part = lambda name: trained["router." + name][0]
    hidden = F.silu(F.linear(rows, part("f1.weight")) + part("f1.bias"))
    logits = F.linear(hidden, part("f2.weight")) + part("f2.bias")
    normed = F.batch_norm(logits, None, None, part("norm.weight")[0], part("norm.bias")[0], training=True, eps=1e-5)
    kept = normed.topk(generator["topK"], dim=-1)
    masked = torch.full_like(normed, float("-inf")).scatter(-1, kept.indices, kept.values)
    return masked.softmax(-1).view(len(prompts), layers, count)


def loss():
    shares = gates()
    load = shares.sum((0, 1))
    balance = generator["auxCoefficient"] * load.var(correction=0) / (load.mean() ** 2 + 1e-10)
    # One factor per stacked rank: (layers, rows, 1, experts · rank).
    scaled = (shares[prompt_of] * (generator["alpha"] / rank)).repeat_interleave(rank, dim=-1)
    factors = scaled.transpose(0, 1).unsqueeze(2)

    def mlp(layer, name, x):
        a, b = trained[f"experts.0.{name}.A"], trained[f"experts.0.{name}.B"]
        plain = F.linear(x, edge[f"model.layers.{layer}.{name}.weight"])
        return plain + (F.linear(x, a) * factors[layer]) @ b

    answers = F.cross_entropy(llama(pair["edge"], edge, tokens, mlp), targets.flatten())
    parts["balanceLoss"] = balance.item()
    return answers + balance


parts = {}
update = make_step(problem, list(trained.values()), loss)
serve(threads, lambda: {**update(), **parts})
