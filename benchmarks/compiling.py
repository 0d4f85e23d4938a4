"""How many programs a training and a test compile, at the first start and at the second.

Each start is a process of its own; both share one empty cache folder.

    python benchmarks/compiling.py [--model jm-10] [--language marked-reverse-and-copy]
        [--lengths 40 80] [--bins 40:100 100:200 200:400]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

CHILD = """
import collections, json, sys, time
import jax
events = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **_: events.update([name]))
begin = time.perf_counter()
import memrnn
memrnn.use_compile_cache()
language, model, low, high, bins, folder = sys.argv[1:]
lengths = int(low), int(high)
task = memrnn.Strings(
    language, train_lengths=lengths, batches=20, validation_batches=5, samples_per_length=1,
    length_bins=tuple(map(tuple, json.loads(bins))),
)
config = memrnn.TrainingConfig(max_epochs=1)
memrnn.evaluate(memrnn.train(memrnn.Experiment(task, model, (), config), folder, restarts=3))
print(json.dumps({
    "compiled": events["/jax/compilation_cache/cache_misses"],
    "from cache": events["/jax/compilation_cache/cache_hits"],
    "seconds": time.perf_counter() - begin,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="jm-10")
    parser.add_argument("--language", default="marked-reverse-and-copy")
    parser.add_argument("--lengths", type=int, nargs=2, default=[40, 80])
    parser.add_argument("--bins", nargs="+", default=["40:100", "100:200", "200:400"])
    arguments = parser.parse_args()
    bins = [[int(edge) for edge in text.split(":")] for text in arguments.bins]
    print(
        f"3 restarts and {len(bins)} bins: 1 program to train, 1 to validate, "
        "3 padded lengths a bin to test"
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for start in ("first start", "second start"):
            command = [sys.executable, "-c", CHILD, arguments.language, arguments.model]
            command += [*map(str, arguments.lengths), json.dumps(bins), f"{folder}/{start}"]
            environment = os.environ | {"MEMRNN_CACHE": f"{folder}/cache"}
            output = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            ).stdout
            rows.append(json.loads(output))
            row = rows[-1]
            print(
                f"{start:<13} compiled {row['compiled']:>3}   from the cache "
                f"{row['from cache']:>3}   {row['seconds']:6.1f} s"
            )
        print(f"ratio of times {rows[0]['seconds'] / rows[1]['seconds']:.1f}")


if __name__ == "__main__":
    main()
