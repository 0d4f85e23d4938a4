import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.errors import MemrnnError
from memrnn.nn.initialisation import xavier, zeros
from memrnn.nn.memories._horizon import Left, left_of, one_less, or_nan, updates_of
from memrnn.nn.memories._loop import AutodiffLoop, Loop
from memrnn.nn.memories._memory import AffineMemory, ControlLayer, Controls, Reading

Depth = Float[Array, "batch pushes"]


class Strata(NamedTuple):
    """A stratification stack as layers of vectors, one for each of n pushes.

    A vector fills a layer as thick as its strength. A pop takes off the top by its strength, a
    push covers all by the strength of the new vector, and the reading is the integral of the
    vectors from depth 0 to depth 1. So neither needs a sum over the strengths above a vector.

    Attributes:
        depth: depth of the lower side of layer i, the sum of its strength and all above it.
            Before push i, minus the number of updates until then.
        steps: v[i] - v[i-1]; the newest vector is subtracted from the next one already.
    """

    depth: Depth
    steps: Float[Array, "batch size pushes"]
    reading: Float[Array, "batch size"]
    left: Left


class Stratification(AffineMemory):
    """One differentiable stack of vectors with strengths, popped and then pushed in every update.

    With the hidden state h,

        (d, u) = sigmoid(A h + b)                              order: push, pop
        v_t = tanh(P h + d')
        s_t[i] = max(0, s_{t-1}[i] - max(0, u - sum of s_{t-1}[j] over i < j < t))    i < t
        s_t[t] = d
        reading = sum over i of min(s_t[i], max(0, 1 - sum of s_t[j] over j > i)) v_i

    and a reading of zero before any update. Nothing is lost: n updates keep n vectors. In 16-bit
    formats the stack itself is kept in float32, for strengths are added up over all updates.

    Attributes:
        weight_actions: A, (2, hidden).
        bias_actions: b, (2,).
        weight_push: P, (size, hidden).
        bias_push: d', (size,).

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from memrnn.nn.memories import Stratification
        >>> memory = Stratification(4, size=2, rng=np.random.default_rng(0))
        >>> push = jnp.array([[30.0, -30.0, 9.0, -9.0]])  # strengths 1 and 0; the vector (1, -1)
        >>> memory.read(memory.update(memory.init(1, horizon=5), push)).round(3)
        Array([[ 1., -1.]], dtype=float32)

    Source: Grefenstette et al. 2015 (arXiv 1506.02516), section 3.1; controller and layers as in
    DuSell & Chiang 2023 (arXiv 2210.01343).
    """

    weight_actions: Float[Array, "2 hidden"]
    bias_actions: Float[Array, " 2"]
    weight_push: Float[Array, "size hidden"]
    bias_push: Float[Array, " size"]

    def __init__(self, hidden_size: int, *, size: int, rng: np.random.Generator):
        """Draws weights from Xavier's distribution, with gain 5/3 for the pushed vector; biases 0.

        Args:
            size: length of the vectors.
        """
        if size < 1:
            raise MemrnnError(f"The vectors' size is {size}, but must be at least 1.")
        self.weight_actions = xavier(rng, (2, hidden_size))
        self.bias_actions = zeros(2)
        self.weight_push = xavier(rng, (size, hidden_size), gain=5 / 3)
        self.bias_push = zeros(size)

    @property
    def reading_size(self) -> int:
        return self.weight_push.shape[0]

    def controls(self) -> ControlLayer:
        return (
            jnp.concatenate([self.weight_actions, self.weight_push]),
            jnp.concatenate([self.bias_actions, self.bias_push]),
        )

    def init(self, batch: int, horizon: int | None) -> Strata:
        pushes = updates_of(horizon, "stratification memory")
        dtype = jnp.float64 if self.weight_push.dtype == jnp.float64 else jnp.float32
        depth = jnp.broadcast_to(-1 - jnp.arange(pushes, dtype=dtype)[None], (batch, pushes))
        vectors = jnp.zeros((batch, self.reading_size, pushes), dtype)
        reading = jnp.zeros((batch, self.reading_size), dtype)
        return Strata(depth, vectors, reading, left_of(horizon))

    def read(self, state: Strata) -> Reading:
        return or_nan(state.left, state.reading.astype(self.weight_push.dtype))

    def update(self, state: Strata, controls: Controls) -> Strata:
        return self._update(state, controls, _stratify)

    def loop(self) -> Loop:
        update = functools.partial(Stratification._update, stratify=_stratify_for_fast)
        return AutodiffLoop(self, update)

    def _update(self, state: Strata, controls: Array, stratify: Callable) -> Strata:
        actions, vector = jnp.split(controls.astype(state.depth.dtype), [2], axis=-1)
        depth, steps, reading = stratify(state.depth, state.steps, actions, vector)
        return Strata(depth, steps, reading, one_less(state.left))


def _outer(left: Float[Array, "batch m"], right: Float[Array, "batch n"]) -> Array:
    """As a product of matrices: XLA's CPU backend is slower over the broadcast form."""
    return left[:, :, None] @ right[:, None]


def _next_index(depth: Depth) -> Depth:
    """1 where the next vector belongs, -1 where the one after it does."""
    return (depth == -1).astype(depth.dtype) - (depth == -2).astype(depth.dtype)


def _pop_and_push(depth: Depth, strengths: Float[Array, "batch 2"]) -> Depth:
    """The depths after a pop and a push; a depth of -1 is popped to 0 and so becomes the push's."""
    push, pop = strengths[:, :1], strengths[:, 1:]
    return jnp.where(depth < -1, depth + 1, jnp.maximum(0, depth - pop) + push)


def _stratify(
    depth: Depth,
    steps: Float[Array, "batch size pushes"],
    actions: Float[Array, "batch 2"],
    vector: Float[Array, "batch size"],
) -> tuple[Array, Array, Array]:
    steps = steps + _outer(jnp.tanh(vector), _next_index(depth))
    depth = _pop_and_push(depth, jax.nn.sigmoid(actions))
    # What is deeper than 1 is not read, and what is yet to come has a negative depth.
    return depth, steps, (steps @ jnp.clip(depth, 0, 1)[:, :, None])[:, :, 0]


_stratify_for_fast = jax.custom_vjp(_stratify)


def _stratify_forward(depth: Array, steps: Array, actions: Array, vector: Array) -> tuple:
    # All that does not depend on the cotangents is computed here, outside the backward loop.
    strengths, pushed = jax.nn.sigmoid(actions), jnp.tanh(vector)
    covered = _pop_and_push(depth, strengths)
    residuals = (
        steps,
        _next_index(depth),
        jnp.clip(covered, 0, 1),
        ((covered > 0) & (covered < 1)).astype(depth.dtype),
        (depth > strengths[:, 1:]).astype(depth.dtype),
        strengths[:, :1],
        strengths * (1 - strengths) * jnp.array([[1, -1]], depth.dtype),
        pushed,
        1 - pushed**2,
    )
    return _stratify(depth, steps, actions, vector), residuals


def _stratify_backward(residuals: tuple, cotangents: tuple) -> tuple[Array, Array, Array, Array]:
    # The new vector is not in `steps` yet: what it adds to the gradient of its own depth, and its
    # share of the reading, come as terms of their own. Sums are products with a vector of ones.
    steps, index, read, partly, remains, push, slope, pushed, vector_slope = residuals
    d_depth, d_steps, d_reading = cotangents
    d_depth = d_depth + partly * (d_reading[:, None] @ steps)[:, 0]
    d_remaining = remains * d_depth
    all_pushes, all_entries = (
        jnp.ones((n, 1), d_depth.dtype) for n in (index.shape[1], pushed.shape[1])
    )
    d_push = d_depth @ all_pushes + (pushed * d_reading) @ all_entries
    d_strengths = jnp.concatenate([d_push, d_remaining @ all_pushes], axis=1)
    d_pushed = (d_steps @ index[:, :, None])[:, :, 0] + push * d_reading
    d_steps = d_steps + _outer(d_reading, read)
    return d_remaining, d_steps, slope * d_strengths, vector_slope * d_pushed


_stratify_for_fast.defvjp(_stratify_forward, _stratify_backward)
