"""The interfaces of recurrent cells."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.nn.initialisation import uniform
from memrnn.nn.straight_through import ternary

Vectors = tuple[Float[Array, "batch hidden"], ...]
Gates = Float[Array, "batch gates"]


class Controller(eqx.Module):
    """A recurrent cell.

    Its state is any pytree of arrays whose first leaf is the hidden state `h`, [batch, hidden].
    `memrnn.nn.models` builds a cell as `Cell(input_size, hidden_size, scale=scale, rng=rng)`.
    Further keyword arguments of the constructor are options: `NAME:OPTION` names a model.

    Examples:
        >>> import jax.numpy as jnp
        >>> import memrnn
        >>> class Sum(memrnn.Controller):
        ...     input_size = property(lambda self: 2)
        ...     hidden_size = property(lambda self: 1)
        ...     def init(self, batch):
        ...         return jnp.zeros((batch, 1))
        ...     def step(self, state, inputs):
        ...         return state + inputs.sum(axis=1, keepdims=True)
        >>> controller = Sum()
        >>> controller.step(controller.init(batch=1), jnp.ones((1, 2)))
        Array([[2.]], dtype=float32)
    """

    revision: ClassVar[int] = 1
    """Grows when the same name and options mean something else than before."""
    discrete_options: ClassVar[tuple[str, ...]] = ()
    """Options that make values discrete and leave parameters as they are, so that restarts with and
    without them share a seed, and `discrete_from` can take them away for a time. A switch that they
    set must be a static field."""

    @property
    @abc.abstractmethod
    def input_size(self) -> int:
        """Length of the input vector: features of the time step, then the memory's reading."""

    @property
    @abc.abstractmethod
    def hidden_size(self) -> int:
        """Length of the hidden state."""

    @abc.abstractmethod
    def init(self, batch: int) -> Any:
        """The state before the first step.

        Args:
            batch: number of sequences.
        """

    @abc.abstractmethod
    def step(self, state: Any, inputs: Float[Array, "batch input"]) -> Any:
        """The next state; same structure, shapes and types as `state`.

        Args:
            state: after the step before.
            inputs: the embedded inputs, then the memory's reading.
        """


class AffineController(Controller):
    """A recurrent cell, split into what is affine and what is not.

    With input `u_t` and hidden state `h_{t-1}`,

        from_input  = W_ih u_t + b_ih            from_hidden = W_hh h_{t-1} + b_hh
        state_t     = activate(from_input, from_hidden, state_{t-1})

    The split lets the rule `memrnn.FAST` compute both affine maps, and the gradients of their
    weights, for all time steps in one matrix product. A new cell is a subclass that names its
    blocks and its state vectors and defines `activate`. There are two biases although only their
    sum matters to most cells: together they double the bias' learning rate.

    Attributes:
        weight_input: `W_ih`.
        weight_hidden: `W_hh`.
        bias_input: `b_ih`.
        bias_hidden: `b_hh`; None in a cell with one bias.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import memrnn
        >>> class Leaky(memrnn.AffineController):
        ...     blocks = 1
        ...     def activate(self, from_input, from_hidden, state):
        ...         return (0.5 * state[0] + 0.5 * jnp.tanh(from_input + from_hidden),)
        >>> cell = Leaky(2, 4, scale=0.1, rng=np.random.default_rng(0))
        >>> (hidden,) = cell.step(cell.init(3), jnp.ones((3, 2)))
        >>> hidden.shape
        (3, 4)
    """

    blocks: ClassVar[int]
    """Number of stacked blocks of `hidden` rows in the affine maps (gates)."""
    state_vectors: ClassVar[int] = 1
    """Number of vectors in the state; the first is the hidden state `h`."""
    two_biases: ClassVar[bool] = True
    """Whether there is a `b_hh`."""

    weight_input: Float[Array, "gates input"]
    weight_hidden: Float[Array, "gates hidden"]
    bias_input: Float[Array, " gates"]
    bias_hidden: Float[Array, " gates"] | None

    def __init__(
        self, input_size: int, hidden_size: int, *, scale: float, rng: np.random.Generator
    ):
        """Draws every parameter from U(-scale, scale)."""
        rows = self.blocks * hidden_size
        self.weight_input = uniform(rng, (rows, input_size), scale)
        self.weight_hidden = uniform(rng, (rows, hidden_size), scale)
        self.bias_input = uniform(rng, (rows,), scale)
        self.bias_hidden = uniform(rng, (rows,), scale) if self.two_biases else None

    @property
    def input_size(self) -> int:
        return self.weight_input.shape[1]

    @property
    def hidden_size(self) -> int:
        return self.weight_hidden.shape[1]

    @property
    def hidden_map(self) -> tuple[Float[Array, "gates hidden"], Float[Array, " gates"]]:
        """`W_hh` and `b_hh`, which is 0 in a cell with one bias."""
        bias = jnp.zeros_like(self.bias_input) if self.bias_hidden is None else self.bias_hidden
        return self.weight_hidden, bias

    def init(self, batch: int) -> Vectors:
        """The zero state: it is fixed, not learned."""
        zeros = jnp.zeros((batch, self.hidden_size), self.weight_hidden.dtype)
        return (zeros,) * self.state_vectors

    def step(
        self,
        state: Vectors,
        inputs: Float[Array, "batch input"],
        hidden_mask: Float[Array, "batch hidden"] | None = None,
        gate_noise: Gates | None = None,
    ) -> Vectors:
        """The next state.

        Args:
            state: after the step before.
            inputs: the embedded inputs, then the memory's reading.
            hidden_mask: factors of `h_{t-1}` where it is multiplied by `W_hh`.
            gate_noise: is added to `from_input`.
        """
        hidden = state[0] if hidden_mask is None else state[0] * hidden_mask
        weight, bias = self.hidden_map
        from_input = inputs @ self.weight_input.T + self.bias_input[None]
        return self.activate(
            from_input if gate_noise is None else from_input + gate_noise,
            hidden @ weight.T + bias[None],
            state,
        )

    @abc.abstractmethod
    def activate(self, from_input: Gates, from_hidden: Gates, state: Vectors) -> Vectors:
        """The next state; its first vector is the hidden state.

        Args:
            from_input: `W_ih u_t + b_ih`.
            from_hidden: `W_hh h_{t-1} + b_hh`.
            state: the vectors after the step before.
        """


class DiscreteController(AffineController):
    """An affine controller with an option `discrete`: its state is rounded in the forward pass.

    `activate` passes every vector of the next state through `rounded` before it is used.

    Attributes:
        discrete: whether state vectors hold nothing but -1, 0 and 1, so that the controller has
            finitely many states. The gradient is that of the clipped vector before rounding.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from memrnn.nn.controllers import GRU
        >>> cell = GRU(2, 4, scale=0.1, rng=np.random.default_rng(0), discrete=True)
        >>> cell.rounded(jnp.array([[0.7, 0.2, -0.4, -3.0]]))
        Array([[ 1.,  0.,  0., -1.]], dtype=float32)
    """

    discrete_options: ClassVar[tuple[str, ...]] = ("discrete",)

    discrete: bool = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        scale: float,
        rng: np.random.Generator,
        discrete: bool = False,
    ):
        super().__init__(input_size, hidden_size, scale=scale, rng=rng)
        self.discrete = discrete

    def rounded(self, vector: Float[Array, "batch hidden"]) -> Float[Array, "batch hidden"]:
        """A vector of the next state as it is carried: the vector itself unless `discrete`."""
        return ternary(vector) if self.discrete else vector
