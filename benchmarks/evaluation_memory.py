"""Memory of evaluation against string length: linear is twice the memory for twice the length.

python benchmarks/evaluation_memory.py [--model jm-10] [--batch 100]
    [--lengths 1250 2500 5000 10000]
"""

import argparse
import math
import time

import jax
import numpy as np

import memrnn
from memrnn.nn.network import OneHot
from memrnn.tasks.strings import Batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="jm-10")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1250, 2500, 5000, 10000])
    arguments = parser.parse_args()
    lengths = arguments.lengths
    network = memrnn.get_model(arguments.model).build(OneHot(3), 4, seed=0)
    task = memrnn.Strings("marked-copy")
    program = jax.jit(lambda network, batch: task.score(network, (), batch)[1])
    print(f"{arguments.model}, batch {arguments.batch}, float32")
    print(f"{'length':>8}{'MB':>10}{'seconds':>10}")
    sizes = []
    for length in lengths:
        tokens = np.zeros((arguments.batch, length), np.int32)
        of_strings = np.full(arguments.batch, length, np.int32)
        batch = Batch(tokens, of_strings)
        compiled = program.lower(network, batch).compile()
        memory = compiled.memory_analysis()
        sizes.append(memory.temp_size_in_bytes + memory.output_size_in_bytes)
        begin = time.perf_counter()
        jax.block_until_ready(compiled(network, batch))
        seconds = time.perf_counter() - begin
        print(f"{length:>8}{sizes[-1] / 1e6:>10.2f}{seconds:>10.2f}", flush=True)
    print(f"ratio of the last two {sizes[-1] / sizes[-2]:.2f}", end="")
    print(f", exponent over all {math.log(sizes[-1] / sizes[0], lengths[-1] / lengths[0]):.2f}")


if __name__ == "__main__":
    main()
