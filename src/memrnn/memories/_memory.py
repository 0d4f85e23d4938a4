"""What every memory is: a state, the affine map that drives it, an update and a reading."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from memrnn.memories._loop import Loop, PlainLoop


class Memory(eqx.Module):
    """An external memory between two steps of a controller.

    At step t the controller's hidden state h drives the memory, and the memory answers with a
    reading that joins the controller's next input:

        drive_t   = W h_t + b                      (W, b) = self.affine()
        state_t   = self.update(state_{t-1}, drive_t)
        reading_t = self.reading(state_t)          goes into the controller's input u_{t+1}

    Before the first input no update takes place: the controller reads `initial_state`.
    All of the memory's drive is affine in h; what is not affine (softmax, sigmoid) belongs into
    `update`. The split lets `memrnn.unroll` treat every weight outside the loop over time.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 2.
    """

    @property
    @abc.abstractmethod
    def reading_size(self) -> int:
        """Length of the reading vector."""

    @abc.abstractmethod
    def affine(self) -> tuple[Float[Array, "drive hidden"], Float[Array, " drive"]]:
        """The weight and the bias of the drive: raw actions first, then raw pushed vectors."""

    @abc.abstractmethod
    def initial_state(self, batch: int, updates: int) -> Any:
        """The state before any update.

        Args:
            batch: number of strings.
            updates: number of updates that will follow; the state need not hold more than
                these can bring back.
        """

    @abc.abstractmethod
    def update(self, state: Any, drive: Float[Array, "batch drive"]) -> Any:
        """The next state; same structure and shapes as `state`."""

    @abc.abstractmethod
    def reading(self, state: Any) -> Float[Array, "batch reading"]:
        """What the controller sees."""

    def doubt(self, state: Any) -> Float[Array, " batch"] | None:
        """An upper bound of the share of any reading so far that rounding may have lost.

        None for a memory that cannot lose anything that matters to rounding.
        """
        del state
        return None

    def footprint(self, updates: int, *, gradient: bool = True) -> tuple[int, int]:
        """Bytes that one string takes: while its group runs; and until its gradient is there.

        Where the sum is large, strings run in groups (`memrnn.groups`), and every array of the
        state has the strings on its first axis. 0 where it need not be counted.
        """
        del updates, gradient
        return 0, 0

    def loop(self) -> Loop:
        """How the updates run as a loop; for a memory whose gradient needs more than JAX's."""
        return PlainLoop(self)
