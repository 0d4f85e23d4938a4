import functools
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.errors import MemrnnError
from memrnn.nn.initialisation import xavier, zeros
from memrnn.nn.memories._discrete_stacks import DiscreteStacks, changed, empty_stacks
from memrnn.nn.memories._horizon import Left, left_of, one_less, or_nan, updates_of
from memrnn.nn.memories._loop import Loop
from memrnn.nn.memories._memory import AffineMemory, ControlLayer, Controls, Reading
from memrnn.nn.memories._row_loop import RowLoop
from memrnn.nn.straight_through import straight_through

Cells = Float[Array, "stacks cells"]
Vector = Float[Array, "stacks width"]
Logits = Float[Array, "stacks 3"]


class Superposed(NamedTuple):
    """The state of a superposition memory.

    Attributes:
        cells: the rows of each stack one after another, the top first, all as long as the longest;
            stacks of the same string follow each other.
        left: how many more updates can be read; None where `cells` serves any number.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.memories import Superposition
        >>> memory = Superposition(4, sizes=(2, 2), rng=np.random.default_rng(0))
        >>> state = memory.init(batch=3, horizon=5)
        >>> state.cells.shape[0]  # two stacks per string
        6
    """

    cells: Cells
    left: Left


class Superposition(AffineMemory):
    """K differentiable stacks, each a superposition of the results of push, pop and no-op.

    Stack k holds vectors of length m_k, row 0 on top. With the hidden state h,

        (p_k, o_k, n_k) = softmax(A_k h + b_k)                 order: push, pop, no-op
        v = sigmoid(P h + d), split over the stacks            v = h where `sizes` is "hidden"
        V_t[0] = p v          + o V_{t-1}[1]   + n V_{t-1}[0]
        V_t[i] = p V_{t-1}[i-1] + o V_{t-1}[i+1] + n V_{t-1}[i]
        reading = the concatenated top rows V^(1)[0] ... V^(K)[0]; zero before any update

    Where the memory is `hard`, every stack does one thing per update and holds binary vectors:

        (p_k, o_k, n_k) = onehot(argmax(A_k h + b_k))          the first of equals
        v = [P h + d > 0]                                      still h where `sizes` is "hidden"

    with the gradients of the softmax and of the sigmoid above. Where no derivative is taken
    (`without_gradient`) an update then costs the same at any height.

    Rows at or beyond `depth_limit` are lost. Without a limit nothing is lost: a row that the
    remaining updates cannot bring back to the top is not stored, which halves the work.

    Attributes:
        weight_actions: A, (3K, hidden), three rows per stack.
        bias_actions: b, (3K,).
        weight_push: P, (sum of m_k, hidden); None where the hidden state itself is pushed.
        bias_push: d, (sum of m_k,); None likewise.
        sizes: m_1 ... m_K.
        depth_limit: number of rows kept, None for all.
        hard: whether actions and learned vectors are discrete.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from memrnn.nn.memories import Superposition
        >>> memory = Superposition(4, sizes=(2,), rng=np.random.default_rng(0))
        >>> push = jnp.array([[30.0, 0.0, 0.0, 50.0, -50.0]])  # push, pop, no-op; the vector (1, 0)
        >>> memory.read(memory.update(memory.init(1, horizon=5), push)).round(3)
        Array([[1., 0.]], dtype=float32)

    Source: Joulin & Mikolov 2015 (arXiv 1503.01007); DuSell & Chiang 2023 (arXiv 2210.01343),
    section 2; a discrete stack with such a gradient is that of Zeng, Goodman & Smyth 1994 (IEEE
    Trans. Neural Networks 5:320).
    """

    discrete_options: ClassVar[tuple[str, ...]] = ("hard",)

    weight_actions: Float[Array, "actions hidden"]
    bias_actions: Float[Array, " actions"]
    weight_push: Float[Array, "push hidden"] | None
    bias_push: Float[Array, " push"] | None
    sizes: tuple[int, ...] = eqx.field(static=True)
    depth_limit: int | None = eqx.field(static=True)
    hard: bool = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        *,
        sizes: Sequence[int] | str,
        depth_limit: int | None = None,
        hard: bool = False,
        rng: np.random.Generator,
    ):
        """Draws weights from Xavier's distribution (fan-out 3 for each stack's actions), biases 0.

        Args:
            sizes: vector length of each stack, or "hidden" for one stack of hidden states.
        """
        push_hidden = sizes == "hidden"
        if not push_hidden and (
            isinstance(sizes, str) or not sizes or any(size < 1 for size in sizes)
        ):
            raise MemrnnError(
                f"A superposition memory cannot have stacks of sizes {sizes!r}; "
                'give at least one length of 1 or more, or "hidden".'
            )
        if depth_limit is not None and depth_limit < 1:
            raise MemrnnError(f"depth_limit is {depth_limit}, but must be at least 1, or None.")
        self.sizes = (hidden_size,) if push_hidden else tuple(int(size) for size in sizes)
        self.depth_limit, self.hard = depth_limit, hard
        stacks = len(self.sizes)
        self.weight_actions = xavier(rng, (3 * stacks, hidden_size), fan_out=3)
        self.bias_actions = zeros(3 * stacks)
        self.weight_push = None if push_hidden else xavier(rng, (self.reading_size, hidden_size))
        self.bias_push = None if push_hidden else zeros(self.reading_size)

    @property
    def reading_size(self) -> int:
        return sum(self.sizes)

    def controls(self) -> ControlLayer:
        weight, bias = self.weight_push, self.bias_push
        if weight is None or bias is None:
            weight = jnp.eye(self.reading_size, dtype=self.weight_actions.dtype)
            bias = jnp.zeros_like(weight[0])
        return (
            jnp.concatenate([self.weight_actions, weight]),
            jnp.concatenate([self.bias_actions, bias]),
        )

    def init(self, batch: int, horizon: int | None) -> Superposed:
        height, left = self.rows(horizon)
        shape = (batch * len(self.sizes), height * max(self.sizes))
        return Superposed(jnp.zeros(shape, self.weight_actions.dtype), left)

    def rows(self, horizon: int | None) -> tuple[int, Left]:
        """How many rows a stack needs for `horizon` steps, and how many updates they serve.

        Raises:
            MemrnnError: for no horizon where there is no `depth_limit`.
        """
        # After t of n updates row i can reach the top again only if i <= n - t, and only rows
        # i < t are filled: n // 2 + 1 rows hold all that matters.
        height = self.depth_limit
        if height is None or horizon is not None:
            remedy = ", or the memory a depth_limit, as jm-10:depth_limit=10"
            enough = updates_of(horizon, "superposition memory", remedy) // 2 + 1
            height = enough if height is None else min(enough, height)
        return height, left_of(None if height == self.depth_limit else horizon)

    def read(self, state: Superposed) -> Reading:
        return or_nan(state.left, self.reading_of(state.cells[:, : max(self.sizes)]))

    def reading_of(self, tops: Vector) -> Reading:
        """The top rows of all stacks of a string one after another, without padding."""
        widest, stacks = max(self.sizes), len(self.sizes)
        tops = tops.reshape(-1, stacks * widest)
        if any(size != widest for size in self.sizes):
            pieces = [tops[:, k * widest : k * widest + m] for k, m in enumerate(self.sizes)]
            tops = jnp.concatenate(pieces, axis=-1)
        return tops

    def update(self, state: Superposed, controls: Controls) -> Superposed:
        return self._update(state, controls, _superpose)

    def without_gradient(self) -> AffineMemory:
        return _Discrete(self) if self.hard else self

    def loop(self) -> Loop:
        update = functools.partial(Superposition._update, superpose=_superpose_for_fast)
        limited = self.depth_limit is not None
        return RowLoop(self, update, width=max(self.sizes), limited=limited)

    def memory_estimate(self, updates: int, *, gradient: bool = True) -> tuple[int, int]:
        if gradient:
            return 0, 0
        state = jax.eval_shape(lambda: self.init(1, updates + 1))
        size = state.cells.size * state.cells.dtype.itemsize
        # Before and after an update; and what the groups leave.
        return 2 * size, size

    def _update(self, state: Superposed, controls: Array, superpose: Callable) -> Superposed:
        logits, vectors = self.actions(controls)
        cells = superpose(self.hard, state.cells, vectors, logits)
        return Superposed(cells, one_less(state.left))

    def actions(self, controls: Controls) -> tuple[Logits, Vector]:
        """The logits of push, pop and no-op, and the vectors to push: a row per string and stack.

        Vectors are padded with zeros to the length of the longest.
        """
        logits, vectors = jnp.split(controls, [3 * len(self.sizes)], axis=-1)
        if self.weight_push is not None:
            soft = jax.nn.sigmoid(vectors)
            binary = (vectors > 0).astype(soft.dtype)
            vectors = straight_through(binary, soft) if self.hard else soft
        widest = max(self.sizes)
        if any(size != widest for size in self.sizes):
            pieces = jnp.split(vectors, np.cumsum(self.sizes)[:-1], axis=-1)
            pieces = [jnp.pad(v, ((0, 0), (0, widest - v.shape[-1]))) for v in pieces]
            vectors = jnp.concatenate(pieces, axis=-1)
        return logits.reshape(-1, 3), vectors.reshape(-1, widest)


class _Placed(NamedTuple):
    """The state of `_Discrete`: stacks, 0 or not a number for each, and as `Superposed`."""

    stacks: DiscreteStacks
    valid: Float[Array, "stacks 1"]
    left: Left


class _Discrete(AffineMemory):
    """What a hard superposition memory reads, without the rows that a gradient needs.

    An update takes a time that does not grow with the height of a stack, and the readings are the
    same numbers: `1 x + 0 y + 0 z` is x.
    """

    memory: Superposition

    @property
    def reading_size(self) -> int:
        return self.memory.reading_size

    def controls(self) -> ControlLayer:
        return self.memory.controls()

    def init(self, batch: int, horizon: int | None) -> _Placed:
        height, left = self.memory.rows(horizon)
        stacks, dtype = batch * len(self.memory.sizes), self.memory.weight_actions.dtype
        placed = empty_stacks(stacks, height, max(self.memory.sizes), dtype)
        return _Placed(placed, jnp.zeros((stacks, 1), dtype), left)

    def read(self, state: _Placed) -> Reading:
        return or_nan(state.left, self.memory.reading_of(state.stacks.top + state.valid))

    def update(self, state: _Placed, controls: Controls) -> _Placed:
        logits, vectors = self.memory.actions(controls)
        push, pop, _ = _one_hot(logits)
        stacks = changed(state.stacks, push[:, 0] == 1, pop[:, 0] == 1, vectors)
        # What is not a number would be in every row from now on.
        valid = state.valid + 0 * push + 0 * jnp.sum(vectors, axis=1, keepdims=True)
        return _Placed(stacks, valid, one_less(state.left))


def _probabilities(logits: Logits) -> list[Float[Array, "stacks 1"]]:
    """Softmax as 1 / sum_j exp(a_j - a_i): one small kernel where the usual form needs six.

    Its own derivative is not a number where a difference of logits overflows, so only the update
    with a derivative written by hand uses it.
    """
    ratios = jnp.exp(logits[:, None, :] - logits[:, :, None])
    probabilities = 1 / jnp.sum(ratios, axis=-1)
    return [probabilities[:, k : k + 1] for k in range(3)]


def _neighbours(stack: Cells, vector: Vector) -> tuple[Cells, Cells]:
    """The stack after a push of `vector` and after a pop, cut to the height of `stack`."""
    cells, width = stack.shape[1], vector.shape[1]
    padded = jnp.concatenate([vector, stack, jnp.zeros_like(vector)], axis=1)
    return padded[:, :cells], padded[:, 2 * width :]


def _one_hot(logits: Logits) -> list[Float[Array, "stacks 1"]]:
    """1 for the largest of three logits, the first of equals; not a number if one is none."""
    push, pop, no_op = jnp.split(logits, 3, axis=1)
    pushes = (push >= pop) & (push >= no_op)
    pops = ~pushes & (pop >= no_op)
    zero = 0 * (push + pop + no_op)
    return [chosen.astype(logits.dtype) + zero for chosen in (pushes, pops, ~pushes & ~pops)]


def _superpose(hard: bool, stack: Cells, vector: Vector, logits: Logits) -> Cells:
    soft = jnp.split(jax.nn.softmax(logits), 3, axis=1)
    push, pop, no_op = map(straight_through, _one_hot(logits), soft) if hard else soft
    pushed, popped = _neighbours(stack, vector)
    return push * pushed + pop * popped + no_op * stack


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _superpose_for_fast(hard: bool, stack: Cells, vector: Vector, logits: Logits) -> Cells:
    push, pop, no_op = _one_hot(logits) if hard else _probabilities(logits)
    pushed, popped = _neighbours(stack, vector)
    return push * pushed + pop * popped + no_op * stack


def _superpose_forward(
    hard: bool, stack: Array, vector: Array, logits: Array
) -> tuple[Array, tuple]:
    soft = _probabilities(logits)
    weights = _one_hot(logits) if hard else soft
    return _superpose_for_fast(hard, stack, vector, logits), (stack, vector, soft, weights)


def _superpose_backward(
    hard: bool, residuals: tuple, cotangent: Array
) -> tuple[Array, Array, Array]:
    del hard
    # Autodiff would need three sums over all cells, which XLA's CPU backend computes one number
    # at a time. As products with a vector of ones they run at full width; their terms are products
    # of slices, since a concatenation among the terms would not.
    stack, vector, (push, pop, no_op), weights = residuals
    width = vector.shape[1]
    ones = jnp.ones((cotangent.shape[1], 1), cotangent.dtype)
    kept = (stack * cotangent) @ ones
    pushed = (stack[:, :-width] * cotangent[:, width:]) @ ones[width:]
    pushed = pushed + (vector * cotangent[:, :width]) @ ones[:width]
    popped = (stack[:, width:] * cotangent[:, :-width]) @ ones[width:]
    # The softmax has two degrees of freedom.
    push_gain, pop_gain = pushed - kept, popped - kept
    mean_gain = push * push_gain + pop * pop_gain
    d_logits = jnp.concatenate(
        [push * (push_gain - mean_gain), pop * (pop_gain - mean_gain), -no_op * mean_gain], axis=1
    )
    push, pop, no_op = weights  # of the forward pass; those above are the softmax
    below, above = _shifted(cotangent, -width), _shifted(cotangent, width)
    d_stack = push * below + pop * above + no_op * cotangent
    return d_stack, push * cotangent[:, :width], d_logits


def _shifted(cells: Cells, places: int) -> Cells:
    """The cells moved to the right, to the left if negative; zeros follow."""
    return jax.lax.pad(cells, jnp.zeros((), cells.dtype), ((0, 0, 0), (places, -places, 0)))


_superpose_for_fast.defvjp(_superpose_forward, _superpose_backward)
