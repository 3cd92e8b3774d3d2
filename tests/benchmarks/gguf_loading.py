"""What loading a GGUF file costs: `load_model` against plain `transformers`, in CPU seconds, each in a process of its own.

python tests/benchmarks/gguf_loading.py
"""

from __future__ import annotations

import subprocess
import sys

OURS = """
from pytest_llm.models.loading import load_model
load_model("smollm2", device="cpu")
"""
PLAIN = """
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from pytest_llm.models.sources import smollm2_file
file = smollm2_file()
AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
"""
TIMED = "import time, transformers, torch\nbegun = time.process_time()\n{}\nprint(time.process_time() - begun)"


def seconds(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", TIMED.format(code)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    ours, plain = (min(seconds(code) for _ in range(2)) for code in (OURS, PLAIN))
    print(f"SmolLM2-135M from GGUF: load_model {ours:.1f} s, transformers {plain:.1f} s, ratio {ours / plain:.2f}")
