"""The fast rule of the superposition memory: loops over time with the rows that matter in each."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from memrnn.nn.memories._loop import AutodiffLoop
from memrnn.nn.memories._memory import AffineMemory
from memrnn.runtime.devices import policy

LOOPS = 8
"""With more loops the rows of all become few less, from 5/16 to 9/32 of the updates."""


class Layout(eqx.Module):
    """The state of a superposition memory between two loops.

    Attributes:
        state: `Superposed`, with fewer rows where the others do not matter.
        width: of a row.
        rows: of the state that the loops began with.
        length: updates per loop, the last may have fewer; None for one loop with all rows.
        begun: updates before the next loop.
    """

    state: Any
    width: int = eqx.field(static=True)
    rows: int = eqx.field(static=True)
    length: int | None = eqx.field(static=True)
    begun: int = eqx.field(static=True, default=0)

    def with_state(self, state: Any, updates: int = 0) -> "Layout":
        return Layout(state, self.width, self.rows, self.length, self.begun + updates)

    def needed(self) -> int:
        """Rows that the updates of the next loop need.

        After t updates t rows are filled at most. A state of n rows serves 2 n - 1 updates, so that
        row i can come to the top again only where i < 2 n - t.
        """
        if self.length is None:
            return self.rows
        return min(self.rows, self.begun + self.length, 2 * self.rows - self.begun)


class RowLoop(AutodiffLoop):
    """Loops each of which updates only the rows that it needs; see `Layout.needed`.

    A stack that is empty at first grows and shrinks, so its rows are half of those of one loop.

    Args:
        memory, update: see `AutodiffLoop`.
        width: cells of a row.
        limited: whether the memory has a depth limit: its rows are few.
    """

    def __init__(
        self,
        memory: AffineMemory,
        update: Callable[[Any, Any, Array], Any],
        *,
        width: int,
        limited: bool,
    ):
        super().__init__(memory, update)
        self._width, self._limited = width, limited

    def layout_of(self, state: Any, updates: int, *, fresh: bool) -> Layout:
        rows = state.cells.shape[1] // self._width
        many = policy().many_cells
        several = many is not None and state.cells.size * updates >= many
        several = several and fresh and not self._limited
        length = -(-updates // LOOPS) if several else None
        return Layout(state, self._width, rows, length)

    def state_of(self, layout: Layout, like: Any) -> Any:
        return _resized(layout.state, like.cells.shape[1])

    def lengths(self, layout: Layout, updates: int) -> Sequence[int]:
        length = layout.length or updates
        return [min(length, updates - begun) for begun in range(0, updates, length)]

    def start(self, layout: Layout) -> tuple[None, Any]:
        return None, _resized(layout.state, layout.needed() * layout.width)

    def stop(self, layout: Layout, carry: Any, updates: int) -> Layout:
        return layout.with_state(carry, updates)

    def start_backward(
        self, layout: Layout, controls: Array, residuals: Any, adjoint: Any
    ) -> tuple[None, Any, Any]:
        if adjoint is not None:
            adjoint = _resized(adjoint, layout.state.cells.shape[1])
        return super().start_backward(layout.state, controls, residuals, adjoint)

    def layout_cotangent(self, layout: Layout, adjoint: Any) -> Layout:
        return layout.with_state(_resized(adjoint, layout.state.cells.shape[1]))


def _resized(state: Any, cells: int) -> Any:
    """The state with that many cells per stack, rows of zeros where it had fewer."""
    missing = max(0, cells - state.cells.shape[1])
    return state._replace(cells=jnp.pad(state.cells, ((0, 0), (0, missing)))[:, :cells])
