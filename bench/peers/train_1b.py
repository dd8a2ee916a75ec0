"""The peer of `train-1b`: a shared pool of experts trained over frozen, mapped weights, one step per request."""

import torch.nn.functional as F

from common import arguments, llama, make_step, read_tensors, serve

problem, threads = arguments()
inputs = read_tensors(problem["inputs"])
frozen = read_tensors(problem["weights"])
tokens, targets, gates = inputs.pop("tokens"), inputs.pop("targets"), inputs.pop("gates")
pool = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
rank = problem["experts"]["rank"]
# One factor per stacked rank: (rows, layers, experts) → (layers, rows, 1, experts · rank).
factors = (gates * (problem["experts"]["alpha"] / rank)).repeat_interleave(rank, dim=-1).transpose(0, 1).unsqueeze(2)


def mlp(layer, name, x):
    a, b = pool[f"experts.0.{name}.A"], pool[f"experts.0.{name}.B"]
    plain = F.linear(x, frozen[f"model.layers.{layer}.{name}.weight"])
    return plain + (F.linear(x, a) * factors[layer]) @ b


step = make_step(
    problem,
    list(pool.values()),
    lambda: F.cross_entropy(llama(problem["config"], frozen, tokens, mlp), targets),
)
serve(threads, step)
