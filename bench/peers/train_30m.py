"""The peer of `train-30m`: every weight of a small Llama model trained, one step per request."""

import torch
import torch.nn.functional as F

from common import arguments, llama, make_step, read_tensors, serve

problem, threads = arguments()
inputs = read_tensors(problem["inputs"])
tokens, targets = inputs.pop("tokens"), inputs.pop("targets")
weights = {name: tensor.clone().requires_grad_() for name, tensor in read_tensors(problem["weights"]).items()
           if tensor.dtype == torch.float32}


def mlp(layer, name, x):
    return F.linear(x, weights[f"model.layers.{layer}.{name}.weight"])


step = make_step(
    problem,
    list(weights.values()),
    lambda: F.cross_entropy(llama(problem["config"], weights, tokens, mlp), targets),
)
serve(threads, step)
