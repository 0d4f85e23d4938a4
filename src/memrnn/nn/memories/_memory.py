"""The interfaces of external memories."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.nn.memories._loop import AutodiffLoop, Loop

Controls = Float[Array, "batch controls"]
Reading = Float[Array, "batch reading"]
ControlLayer = tuple[Float[Array, "controls hidden"], Float[Array, " controls"]]
"""Weight and bias of what is affine in the hidden state."""


class Memory(eqx.Module):
    """An external memory beside a controller.

    In each time step the controller reads the memory, and its new hidden state updates it:

        reading_t = read(state_{t-1})                    joins the controller's input u_t
        state_t   = step(state_{t-1}, h_t)

    The state is any pytree of arrays. The arrays have the strings on their first axis, or are
    scalars that hold for all strings; `step` keeps structure, shapes and types.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> memory = memrnn.MEMORIES["superposition"](4, sizes=(3,), rng=np.random.default_rng(0))
        >>> isinstance(memory, memrnn.Memory)
        True
        >>> state = memory.init(batch=2, horizon=5)
        >>> memory.read(state).shape  # [batch, reading]
        (2, 3)

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 2.
    """

    revision: ClassVar[int] = 1
    """Grows when the same name and options mean something else than before."""
    discrete_options: ClassVar[tuple[str, ...]] = ()
    """Options that make values discrete and leave parameters as they are, so that restarts with and
    without them share a seed, and `discrete_from` can take them away for a time. A switch that they
    set must be a static field."""

    @property
    @abc.abstractmethod
    def reading_size(self) -> int:
        """Length of the reading vector."""

    @abc.abstractmethod
    def init(self, batch: int, horizon: int | None) -> Any:
        """The state before the first step.

        Args:
            batch: number of strings.
            horizon: number of steps that the state must serve, later readings may be NaN; None for
                any number. n steps read n times, so only the first n - 1 updates matter.

        Raises:
            MemrnnError: for None, by a memory whose size depends on the number of steps.
        """

    @abc.abstractmethod
    def read(self, state: Any) -> Reading:
        """What the controller sees.

        Args:
            state: after the update before.
        """

    @abc.abstractmethod
    def step(self, state: Any, hidden: Float[Array, "batch hidden"]) -> Any:
        """The state after an update by the controller's hidden state.

        Args:
            state: after the update before.
            hidden: the controller's new hidden state.
        """

    def without_gradient(self) -> "Memory":
        """A memory with the same parameters and readings, for where no derivative is taken.

        Scores of strings are computed with it. By default the memory itself.
        """
        return self

    def diagnostics(self, state: Any) -> dict[str, Float[Array, " batch"]]:
        """Numbers per string about the readings so far, by name.

        An update that is beyond the horizon, and therefore not read, leaves them unchanged.
        `underflow` is an upper bound of the share of any reading that rounding may have removed.
        """
        del state
        return {}

    def memory_estimate(self, updates: int, *, gradient: bool = True) -> tuple[int, int]:
        """Bytes per string while its group runs, and until its gradient is computed.

        Where the sum is large, strings run in groups (`memrnn.nn.groups`). 0 need not be counted.

        Args:
            updates: of each string.
            gradient: whether the batch is differentiated.
        """
        del updates, gradient
        return 0, 0


class AffineMemory(Memory):
    """A memory whose controls are affine in the hidden state.

        controls_t = W h_t + b                           (W, b) = controls()
        state_t    = update(state_{t-1}, controls_t)

    What is not affine (softmax, sigmoid) belongs into `update`. The split lets the rule
    `memrnn.FAST` treat W and b outside the loop over time.

    Examples:
        >>> import jax.numpy as jnp
        >>> import memrnn
        >>> class Last(memrnn.AffineMemory):  # remembers one number, of the last update
        ...     weight: object
        ...     reading_size = property(lambda self: 1)
        ...     def controls(self):
        ...         return self.weight, jnp.zeros(1)
        ...     def init(self, batch, horizon):
        ...         return jnp.zeros((batch, 1))
        ...     def read(self, state):
        ...         return state
        ...     def update(self, state, controls):
        ...         return controls
        >>> memory = Last(jnp.ones((1, 2)))
        >>> memory.read(memory.step(memory.init(1, None), jnp.array([[1.0, 2.0]])))
        Array([[3.]], dtype=float32)
    """

    @abc.abstractmethod
    def controls(self) -> ControlLayer:
        """The weight and the bias of the controls: action logits first, then raw vectors."""

    @abc.abstractmethod
    def update(self, state: Any, controls: Controls) -> Any:
        """The next state; same structure, shapes and types as `state`.

        Args:
            state: after the update before.
            controls: `W h_t + b`.
        """

    def loop(self) -> Loop:
        """How the rule `memrnn.FAST` runs the updates, and how it differentiates them.

        It must equal `update` and `read` and their derivatives.
        """
        return AutodiffLoop(self)

    def step(self, state: Any, hidden: Float[Array, "batch hidden"]) -> Any:
        weight, bias = self.controls()
        controls = hidden @ weight.T
        return self.update(state, controls + jnp.broadcast_to(bias, controls.shape))
