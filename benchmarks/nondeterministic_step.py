"""One training step of the nondeterministic stacks against PyTorch, side by side on one core.

Each model of memrnn is timed against eager PyTorch (`torch_nondeterministic`, the plain and the
fast form of its long sum) and, with `--published FOLDER`, against the code published with DuSell &
Chiang (ICLR 2023). FOLDER is a checkout of github.com/bdusell/nondeterministic-stack-rnn, which has
no licence and is therefore neither part of this repository nor fetched by it. It needs the packages
torch-semiring-einsum, attrs and pynvml. Its classes and layers are built as its own training script
builds them.

All do the same step as in `training_step`: forward, loss, backward, clipping, Adam, float32. Rounds
alternate between them, because the speed of a shared machine drifts; a ratio is the median over
rounds of PyTorch's seconds over memrnn's. PyTorch takes one step a round, for it may take half a
minute. VRNS differ in one thing: the published code gives the bottom's vector to every state and
symbol at the start, the other two only to the bottom. The work is the same.

    python benchmarks/nondeterministic_step.py [MODEL ...] [--length 62] [--rounds 3]
        [--steps 20] [--published FOLDER]
"""

import argparse
import statistics
import sys
from pathlib import Path

import training_step  # first: it pins this process to one core

# isort: split
import torch
from torch import Tensor, nn
from torch.nn import functional

import memrnn
import torch_nondeterministic
import torch_reference

MODELS = ("rns-3-3", "vrns-3-3-5", "strat-10")


class Published(nn.Module):
    """A model of the published code that takes ids, as the others do."""

    def __init__(self, folder: Path, name: str, symbols: int = 3, hidden: int = 20) -> None:
        super().__init__()
        source = str(folder / "src")
        if source not in sys.path:
            sys.path.append(source)
        import torch_semiring_einsum
        from stack_rnn_models.grefenstette import GrefenstetteRNN
        from stack_rnn_models.joulin_mikolov import JoulinMikolovRNN
        from stack_rnn_models.nondeterministic_stack import NondeterministicStackRNN
        from stack_rnn_models.vector_nondeterministic_stack import VectorNondeterministicStackRNN
        from torch_extras.init import xavier_uniform_init
        from torch_rnn_tools import OutputLayerWrapper, UnidirectionalLSTM

        def controller(size: int) -> nn.Module:
            return UnidirectionalLSTM(input_size=size, hidden_units=hidden, layers=1)

        kind, _, shape = name.partition("-")
        if name == "jm-hidden":
            rnn = JoulinMikolovRNN(symbols, hidden, controller, push_hidden_state=True)
        elif kind == "jm":
            rnn = JoulinMikolovRNN(symbols, [int(m) for m in shape.split(".")], controller)
        elif kind in ("strat", "stratification"):
            rnn = GrefenstetteRNN(symbols, int(shape), controller)
        elif kind == "rns":
            rnn = NondeterministicStackRNN(symbols, *map(int, shape.split("-")), controller)
        elif kind == "vrns":
            sizes = map(int, shape.split("-"))
            rnn = VectorNondeterministicStackRNN(symbols, *sizes, controller)
        else:
            raise ValueError(f"the published code has no model {name!r}")
        self.symbols = symbols
        self.network = OutputLayerWrapper(rnn, symbols + 1)
        self.options = {}
        if "rns" in kind:
            self.options["block_size"] = torch_semiring_einsum.AutomaticBlockSize()

        def fallback(_name: str, parameter: Tensor, generator: torch.Generator) -> None:
            parameter.data.uniform_(-0.1, 0.1, generator=generator)

        xavier_uniform_init(self.network, torch.Generator().manual_seed(0), fallback)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.network(functional.one_hot(tokens, self.symbols).float(), **self.options)


def eager(name: str) -> dict[str, nn.Module]:
    """The model in eager PyTorch, in every form that this repository has."""
    if "rns-" in name:
        build = torch_nondeterministic.build_model
        return {f"PyTorch, {form}": build(name, form=form) for form in ("logsumexp", "products")}
    if name.startswith("strat"):
        return {}
    return {"PyTorch": torch_reference.build_model(name)}


def known(name: str) -> bool:
    try:
        memrnn.get_model(name)
    except ValueError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help=f"of {MODELS}, those that memrnn knows")
    parser.add_argument("--length", type=int, default=62)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="memrnn's steps a round")
    parser.add_argument("--published", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    length = arguments.length
    print(f"batch {training_step.BATCH}, length {length}, float32, one core, medians of rounds")
    print(f"{'model':<20}{'peer':<20}{'peer ms':>12}{'memrnn ms':>12}{'ratio':>8}")
    for model in arguments.models or filter(known, MODELS):
        networks = eager(model)
        if arguments.published is not None:
            networks["published"] = Published(arguments.published, model)
        runs = {"memrnn": training_step.ours(model, length, arguments.steps)}
        for name, network in networks.items():
            runs[name] = training_step.theirs(network, length, steps=1)
        for run in runs.values():
            run()
        rounds = [{name: run() for name, run in runs.items()} for _ in range(arguments.rounds)]
        ours = 1e3 * statistics.median(seconds["memrnn"] for seconds in rounds)
        for name in list(runs)[1:]:
            peer = 1e3 * statistics.median(seconds[name] for seconds in rounds)
            ratio = statistics.median(seconds[name] / seconds["memrnn"] for seconds in rounds)
            print(f"{model:<20}{name:<20}{peer:>12.1f}{ours:>12.1f}{ratio:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
