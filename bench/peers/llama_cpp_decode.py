"""llama.cpp, compiled for this machine's processor, as `real-size` asks it: opens a GGUF file, reads a prompt, decodes greedily."""

import ctypes
import json
import sys
import time

import llama_cpp as llama
import numpy

task, threads = json.loads(sys.argv[1]), int(sys.argv[2])
prompt, new_tokens, vocab = task["prompt"], task["newTokens"], task["vocab"]
model = context = last = None


@llama.llama_log_callback
def errors_only(level, text, _data):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


def open_model():
    """Defaults, but on the CPU, with as many threads as ours and room for what is asked."""
    global model, context
    model_params = llama.llama_model_default_params()
    model_params.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(task["path"].encode(), model_params)
    assert model, f"llama.cpp cannot load {task['path']}"
    context_params = llama.llama_context_default_params()
    context_params.n_ctx = len(prompt) + new_tokens + 1
    context_params.n_threads = context_params.n_threads_batch = threads
    context = llama.llama_init_from_model(model, context_params)
    assert context, "llama.cpp cannot make a context"


def feed(tokens):
    """Reads tokens, keeps the likeliest behind them."""
    global last
    array = (llama.llama_token * len(tokens))(*tokens)  # the batch only points to it
    status = llama.llama_decode(context, llama.llama_batch_get_one(array, len(tokens)))
    assert status == 0, f"llama_decode returned {status}"
    logits = numpy.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), shape=(vocab,))
    last = int(logits.argmax())
    assert numpy.isfinite(logits[last]), "a logit is not finite"


def prefill():
    llama.llama_memory_clear(llama.llama_get_memory(context), False)
    feed(prompt)


def decode():
    for _ in range(new_tokens):
        feed([last])


def milliseconds(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


send = lambda answer: print(json.dumps(answer), flush=True)
commands = {"open": open_model, "prefill": prefill, "decode": decode}

llama.llama_log_set(errors_only, ctypes.c_void_p(0))
llama.llama_backend_init()
info = llama.llama_print_system_info().decode().strip().strip("|").strip()
assert "OPENMP = 1" in info, (
    f"compiled without OpenMP, slower than llama.cpp is: {info}; where the compiler has OpenMP, "
    "pip install --force-reinstall --no-cache-dir -r bench/peers/llama-cpp.txt compiles it anew"
)
send({"description": f"llama.cpp of llama-cpp-python {llama.__version__}, {threads} threads, {info}"})
for line in sys.stdin:
    send({"ms": milliseconds(commands[line.strip()])})
