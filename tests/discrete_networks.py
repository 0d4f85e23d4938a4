"""Discrete networks that do what a machine does."""

from memrnn import Network, OneHot, get_model
from memrnn.automata import Machine
from memrnn.stability import compile_machine


def build(machine: Machine, model: str, seed: int = 0) -> Network:
    symbols = len(machine.symbols)
    return get_model(model).build(OneHot(symbols), symbols + 1, seed=seed)


def golden(machine: Machine) -> Network:
    """Its units are 0 or 1 where those of a network that is not discrete are tanh(1)."""
    sizes = ".".join(str(size) for size in machine.stack_sizes)
    return compile_machine(
        machine, build(machine, f"lstm-{len(machine.moves) + 1}:discrete+jm-{sizes}:hard")
    )
