"""Every figure of a GPU: packs of restarts, epochs of text, how long the paper's grid takes.

    python benchmarks/gpu.py [--small] [--only packs | text]

On one GPU it takes at most 8 minutes; what no time is left for is named as not run. `--small` is
the same in small, for a CPU.

- Packs: an epoch of training and validation of restarts in the slots of one program, 1,000 batches
  of 10 strings of lengths 40 to 80 (rns-3-3: 50), with a checkpoint of all per epoch. `program` is
  the compiled program, `host` is all the rest, per slot.
- Text: an epoch of the Penn Treebank's size, 929,589 random words of 10,000, of restarts by the
  paper's protocol and by the recipe `strong`, at the rate of 100 updates with 2,000 words of
  validation. `loop` is the loop over time and its gradient alone, per time step of all slots.
- Grid: the study file `paper` at these rates, if every run takes 100 epochs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from memrnn import (
    Experiment,
    Network,
    State,
    Strings,
    TrainingConfig,
    get_model,
    make_task,
    unroll,
    use_compile_cache,
)
from memrnn.nn.network import OneHot
from memrnn.runtime.precision import scope
from memrnn.studies import load_study, plan
from memrnn.tasks import Text, get_preset
from memrnn.training import Pack, Restart, Writer

EPOCHS = 100
SECONDS = 480.0
TURNS = 3
WORDS, TOKENS, UPDATES = 10_000, 929_589, 100
TEXTS = [
    ("lstm-256", "paper", 1),
    ("lstm-256", "paper", 8),
    ("lstm-256+jm-22:depth_limit=10", "paper", 8),
    ("lstm-256+rns-4-5:window=35", "paper", 1),
    ("lstm_capped-1194", "strong", 1),
    ("lstm_capped-1194", "strong, tf32", 1),
]
SMALL_TEXTS = [("lstm-4", "paper", 1), ("lstm-4", "paper", 2), ("lstm_capped-4", "strong, tf32", 1)]
CASES = [
    ("jm-10", 1, 1000),
    ("jm-10", 40, 1000),
    ("jm-10", 160, 1000),
    ("lstm", 160, 1000),
    ("rns-3-3", 40, 50),
]
SMALL = [("lstm-4", slots, 3) for slots in (1, 40, 160)]


def pack_epoch(model: str, slots: int, batches: int, lengths: tuple[int, int]) -> dict:
    """Seconds of an epoch, and of its program: the least of some turns."""
    task = Strings(
        "marked-reverse-and-copy",
        train_lengths=lengths,
        batches=batches,
        validation_batches=max(1, batches // 10),
        length_bins=(lengths,),
    )
    config = TrainingConfig(early_stopping_patience=1000)  # so that none leaves
    experiment = Experiment(task, model, (), config)
    with tempfile.TemporaryDirectory() as folder, scope(config.precision):
        begin = time.perf_counter()
        paths = [Path(folder) / f"{number}.safetensors" for number in range(slots)]
        restarts = [Restart(experiment, number, path) for number, path in enumerate(paths)]
        pack, writer = Pack(restarts[0], slots), Writer()
        for restart in restarts:
            pack.insert(restart)
        pack.advance()
        first, turns = time.perf_counter() - begin, []
        for _ in range(TURNS):
            writer.wait()
            before, begin = pack.seconds, time.perf_counter()
            pack.advance()
            writer.write(pack.checkpoints())
            turns.append((time.perf_counter() - begin, pack.seconds - before))
        writer.close()
    epoch, program = min(turns)
    return {"epoch": epoch, "program": program, "first": first}


def text_epoch(model: str, recipe: str, slots: int, words: int, tokens: int, updates: int) -> dict:
    """Seconds of an epoch's updates, and seconds per time step of the loop alone."""
    name, _, products = recipe.partition(", ")
    preset = get_preset(Text, name)
    config = TrainingConfig(**preset.config, matmul_precision=products or "float32")
    with tempfile.TemporaryDirectory() as folder:
        random_corpus(Path(folder), words, tokens)
        options = {**preset.options, "corpus": folder, "updates_per_epoch": updates}
        task = make_task("text", options)
        experiment = Experiment(task, model, (), config)
        with scope(config.precision):
            begin = time.perf_counter()
            restarts = [Restart(experiment, number) for number in range(slots)]
            if slots == 1:
                trained = restarts[0]
            else:
                trained = Pack(restarts[0], slots)
                for restart in restarts:
                    trained.insert(restart)
            trained.advance()
            first, turns = time.perf_counter() - begin, []
            for _ in range(TURNS):
                begin = time.perf_counter()
                trained.advance()
                turns.append(time.perf_counter() - begin)
        steps = -(-tokens // task.streams)
        of_epoch = min(turns) * -(-steps // task.segment) / updates
        loop = loop_step(model, task, slots, config.matmul_precision, updates)
    return {"epoch": of_epoch, "loop": loop, "first": first}


def random_corpus(folder: Path, words: int, tokens: int) -> None:
    """Three files of random words; those of validation and test are small."""
    rng = np.random.default_rng(0)
    for part, size in (("train", tokens), ("valid", 2000), ("test", 1000)):
        drawn = rng.integers(0, words - 2, size)
        drawn[: words - 2] = np.arange(words - 2)[:size]
        names = [f"w{number}" for number in drawn.tolist()]
        lines = [" ".join(names[begin : begin + 19]) for begin in range(0, size, 20)]
        text = "<unk>\n" + "\n".join(lines) + "\n"
        (folder / f"{part}.txt").write_text(text, encoding="utf-8")


def loop_step(model: str, task: Text, slots: int, products: str, segments: int) -> float:
    """Seconds per time step of the gradient of the loop over time, in segments as in training."""
    size = task.embedding_size or get_model(model).hidden_size
    networks = [get_model(model).build(OneHot(size), 1, seed=number) for number in range(slots)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    xs = jnp.ones((task.segment, task.streams, size), jnp.float32)

    def loss(network: Network, state: State) -> tuple[Array, State]:
        hidden, state = unroll(network.controller, network.memory, xs, state)
        return jnp.sum(hidden), jax.lax.stop_gradient(state)

    def segment(carry: tuple[Network, State], _: None) -> tuple[tuple[Network, State], None]:
        network, state = carry
        with jax.default_matmul_precision("tensorfloat32" if products == "tf32" else "highest"):
            gradient, state = jax.grad(loss, has_aux=True)(network, state)
        return (jax.tree.map(lambda p, g: p - 1e-6 * g, network, gradient), state), None

    @jax.jit
    @jax.vmap
    def run(network: Network) -> Network:
        begin = network, network.init(task.streams, None)
        return jax.lax.scan(segment, begin, None, length=segments)[0][0]

    times = []
    for _ in range(1 + TURNS):
        begin = time.perf_counter()
        jax.block_until_ready(jax.tree.leaves(run(stacked)))
        times.append(time.perf_counter() - begin)
    return min(times[1:]) / segments / task.segment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--case", help="MODEL,SLOTS,BATCHES,SHORTEST,LONGEST: this pack alone")
    parser.add_argument("--text-case", help="MODEL;RECIPE;SLOTS;WORDS;TOKENS;UPDATES: this alone")
    parser.add_argument("--only", choices=("packs", "text"))
    arguments = parser.parse_args()
    use_compile_cache()
    if arguments.text_case:
        model, recipe, *numbers = arguments.text_case.split(";")
        print(json.dumps(text_epoch(model, recipe, *map(int, numbers))))
        return
    if arguments.case:
        model, *numbers = arguments.case.split(",")
        slots, batches, *lengths = map(int, numbers)
        print(json.dumps(pack_epoch(model, slots, batches, (lengths[0], lengths[1]))))
        return
    deadline = time.monotonic() + SECONDS
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
    if arguments.only != "packs":
        texts(arguments.small, deadline)
    if arguments.only != "text":
        packs(arguments.small, deadline)


def texts(small: bool, deadline: float) -> None:
    """The table of text."""
    sizes = (50, 4000, 10) if small else (WORDS, TOKENS, UPDATES)
    print(f"{'model':<31}{'recipe':<14}{'slots':>5}{'epoch s':>9}{'loop us':>9}{'begin s':>9}")
    for model, recipe, slots in SMALL_TEXTS if small else TEXTS:
        case = ";".join(map(str, (model, recipe, slots, *sizes)))
        if (seen := measured("--text-case", case, deadline)) is None:
            print(f"{model:<31}{recipe:<14}{slots:>5}  not run: no time was left")
            continue
        print(
            f"{model:<31}{recipe:<14}{slots:>5}{seen['epoch']:>9.2f}{1e6 * seen['loop']:>9.1f}"
            f"{seen['first']:>9.1f}",
            flush=True,
        )


def packs(small: bool, deadline: float) -> None:
    """The table of packs, and of the paper's grid."""
    cases, lengths = (SMALL, (5, 12)) if small else (CASES, (40, 80))
    rates: dict[str, float] = {}
    print(f"{'model':<10}{'slots':>6}{'epoch s':>10}{'program s':>11}{'host ms/slot':>14}"
          f"{'ms/update':>11}{'begin s':>9}")  # fmt: skip
    for model, slots, batches in cases:
        case = ",".join(map(str, (model, slots, batches, *lengths)))
        if (seen := measured("--case", case, deadline)) is None:
            print(f"{model:<10}{slots:>6}  not run: no time was left")
            continue
        epoch, program = seen["epoch"], seen["program"]
        host, update = 1e3 * (epoch - program) / slots, 1e3 * program / batches
        print(
            f"{model:<10}{slots:>6}{epoch:>10.3f}{program:>11.3f}{host:>14.2f}{update:>11.2f}"
            f"{seen['first']:>9.1f}",
            flush=True,
        )
        rates[model] = epoch * 1000 / batches / slots
    grid(rates)


def measured(flag: str, case: str, deadline: float) -> dict | None:
    """What a case gives in a process of its own, whose time is limited: one may hang.

    None if it is not done by the deadline.
    """
    left = deadline - time.monotonic()
    if left < 1:
        return None
    command = [sys.executable, __file__, flag, case]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def grid(rates: dict[str, float]) -> None:
    """Hours of the paper's grid: of the models that were timed, and which were not."""
    runs = Counter(run.experiment.model for pack in plan(load_study("paper")) for run in pack)
    hours = {model: runs[model] * EPOCHS * rate / 3600 for model, rate in rates.items()}
    for model, count in runs.items():
        time_of = f"{hours[model]:.2f} hours" if model in hours else "not timed"
        print(f"grid: {model}, {count} runs of {EPOCHS} epochs: {time_of}")


if __name__ == "__main__":
    main()
