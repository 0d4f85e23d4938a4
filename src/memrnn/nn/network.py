"""A network: embedding, controller, memory and output layer, and what it predicts."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from memrnn.nn.controllers import Controller
from memrnn.nn.gate_noise import GateNoise
from memrnn.nn.initialisation import xavier, zeros
from memrnn.nn.memories import Memory
from memrnn.nn.unroll import Rule, State, as_affine, init, step, unroll


class Embedding(eqx.Module):
    """From raw inputs, such as symbol ids, to vectors.

    Examples:
        >>> import jax.numpy as jnp
        >>> import memrnn
        >>> class Scaled(memrnn.OneHot):
        ...     def __call__(self, inputs, dtype):
        ...         return 2 * super().__call__(inputs, dtype)
        >>> Scaled(2)(jnp.array([1, 0]), jnp.dtype("float32"))
        Array([[0., 2.],
               [2., 0.]], dtype=float32)
    """

    size: eqx.AbstractVar[int]
    """Length of the vectors."""

    @property
    def symbols(self) -> int:
        """How many different inputs there are; by default as many as a vector has numbers."""
        return self.size

    @abc.abstractmethod
    def __call__(self, inputs: Shaped[Array, "..."], dtype: jnp.dtype) -> Float[Array, "... size"]:
        """The vectors of raw inputs of any shape, as a new last axis."""


class OneHot(Embedding):
    """Symbol i is the i-th unit vector. No parameters.

    Attributes:
        size: number of symbols.

    Examples:
        >>> import jax.numpy as jnp
        >>> import memrnn
        >>> memrnn.OneHot(3)(jnp.array([2, 0]), jnp.dtype("float32"))
        Array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """

    size: int = eqx.field(static=True)

    def __call__(self, inputs: Int[Array, "..."], dtype: jnp.dtype) -> Float[Array, "... size"]:
        return jax.nn.one_hot(inputs, self.size, dtype=dtype)


class OutputLayer(eqx.Module):
    """The output layer, `logits = W h + b`; W from Xavier's distribution, b = 0 at the start.

    Attributes:
        weight: W, (classes, hidden).
        bias: b, (classes,).

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import memrnn
        >>> output = memrnn.OutputLayer(hidden_size=2, classes=3, rng=np.random.default_rng(0))
        >>> output(jnp.zeros((1, 2)))
        Array([[0., 0., 0.]], dtype=float32)
    """

    weight: Float[Array, "classes hidden"]
    bias: Float[Array, " classes"]

    def __init__(self, hidden_size: int, classes: int, *, rng: np.random.Generator):
        self.weight = xavier(rng, (classes, hidden_size))
        self.bias = zeros(classes)

    def __call__(self, hidden: Float[Array, "... hidden"]) -> Float[Array, "... classes"]:
        return _affine(*self.matrix(), hidden)

    def features(self, hidden: Float[Array, "... hidden"]) -> Float[Array, "... hidden"]:
        """What the matrix multiplies."""
        return hidden

    def matrix(self, embedding: Embedding | None = None) -> tuple[Array, Array]:
        """W and b."""
        return self.weight, self.bias


def _affine(weight: Array, bias: Array, features: Array) -> Array:
    scores = features @ weight.T
    return scores + jnp.broadcast_to(bias, scores.shape)


class WordVectors(Embedding):
    """Word i is row i of a matrix of parameters.

    Attributes:
        weight: a row per word.
        size: length of the rows.

    Examples:
        >>> import jax.numpy as jnp
        >>> from memrnn.nn.network import WordVectors
        >>> vectors = WordVectors(jnp.arange(6.0).reshape(3, 2))
        >>> vectors(jnp.array([2, 0]), jnp.dtype("float32"))
        Array([[4., 5.],
               [0., 1.]], dtype=float32)
    """

    weight: Float[Array, "words size"]
    size: int = eqx.field(static=True)

    def __init__(self, weight: Float[Array, "words size"]):
        self.weight, self.size = weight, weight.shape[1]

    @property
    def symbols(self) -> int:
        return self.weight.shape[0]

    def __call__(self, inputs: Int[Array, "..."], dtype: jnp.dtype) -> Float[Array, "... size"]:
        return self.weight[inputs].astype(dtype)


class TiedOutput(eqx.Module):
    """An output layer that shares its matrix with the embedding: `logits = V (P h) + b`.

    V are the vectors of `WordVectors`; they belong to the embedding, also where it is frozen.

    Attributes:
        projection: P, (size, hidden).
        bias: b, (classes,).

    Examples:
        >>> import jax.numpy as jnp
        >>> from memrnn.nn.network import TiedOutput, WordVectors
        >>> output = TiedOutput(projection=jnp.ones((2, 4)), bias=jnp.zeros(3))
        >>> matrix, _ = output.matrix(WordVectors(jnp.ones((3, 2))))
        >>> output.features(jnp.ones((1, 4))) @ matrix.T
        Array([[8., 8., 8.]], dtype=float32)

    Source: Press & Wolf 2017 (arXiv 1608.05859); Inan et al. 2017 (arXiv 1611.01462).
    """

    projection: Float[Array, "size hidden"]
    bias: Float[Array, " classes"]

    def features(self, hidden: Float[Array, "... hidden"]) -> Float[Array, "... size"]:
        return hidden @ self.projection.T

    def matrix(self, embedding: Embedding) -> tuple[Array, Array]:
        assert isinstance(embedding, WordVectors)
        return embedding.weight, self.bias


class Network(eqx.Module):
    """Embedding, controller, memory and output layer.

    In each time step the memory is read, the controller runs on the embedded input and the
    reading, and its new hidden state updates the memory; the output layer reads the hidden state,
    which is 0 before the first input.

    Attributes:
        embedding: from raw inputs to vectors.
        controller: the recurrent cell.
        memory: what the controller reads and updates in every step.
        output: from hidden states to logits.
        gate_noise: noise on the gates of the controller in `hidden` and `unroll`, where training
            or an evaluation asks for it; else None.

    Examples:
        >>> import jax.numpy as jnp
        >>> import memrnn
        >>> network = memrnn.get_model("elman-4+jm-2").build(memrnn.OneHot(3), classes=4, seed=0)
        >>> symbols = jnp.array([[0, 2], [1, 2], [1, 0]])  # 3 steps of 2 sequences
        >>> hidden, state = network.hidden(symbols)
        >>> hidden.shape, network.logits(hidden).shape
        ((3, 2, 4), (3, 2, 4))

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 2.
    """

    embedding: Embedding
    controller: Controller
    memory: Memory
    output: OutputLayer | TiedOutput
    gate_noise: GateNoise | None = None

    @property
    def dtype(self) -> jnp.dtype:
        return self.output.bias.dtype

    def init(self, batch: int, horizon: int | None) -> State:
        """The state before the first step of a batch of sequences; see `Memory.init`.

        Args:
            batch: number of sequences.
            horizon: number of steps that the state must serve; None for any number.
        """
        return init(self.controller, self.memory, batch, horizon)

    def step(self, state: State, x: Shaped[Array, "batch ..."]) -> State:
        """The state after one more raw input per sequence, such as a symbol id.

        Args:
            state: after the step before.
            x: a raw input per sequence.
        """
        return step(self.controller, self.memory, state, self.embedding(x, self.dtype))

    def hidden(
        self,
        xs: Shaped[Array, "time batch ..."],
        state: State | None = None,
        *,
        rule: Rule | None = None,
    ) -> tuple[Float[Array, "time batch hidden"], State]:
        """The hidden states after each raw input, and the last state; `memrnn.unroll`.

        Args:
            xs: raw inputs, such as symbol ids, time first.
            state: None for a state before the first step that serves these steps only.
            rule: see `unroll`.
        """
        return self.unroll(self.embedding(xs, self.dtype), state, rule=rule)

    def unroll(
        self,
        vectors: Float[Array, "time batch size"],
        state: State | None = None,
        *,
        rule: Rule | None = None,
        hidden_mask: Float[Array, "batch hidden"] | None = None,
    ) -> tuple[Float[Array, "time batch hidden"], State]:
        """The same from embedded inputs.

        Args:
            vectors: embedded inputs, time first.
            state: as for `hidden`.
            rule: see `unroll`.
            hidden_mask: see `unroll`.
        """
        noise = None
        if self.gate_noise is not None:
            gates = as_affine(self.controller, "Gate noise").bias_input.shape
            noise = self.gate_noise.draw((*vectors.shape[:2], *gates))
        return unroll(
            self.controller,
            self.memory,
            vectors,
            state,
            rule=rule,
            hidden_mask=hidden_mask,
            gate_noise=noise,
        )

    def logits(self, hidden: Float[Array, "... hidden"]) -> Float[Array, "... classes"]:
        """What the output layer makes of hidden states."""
        return _affine(*self.output.matrix(self.embedding), self.output.features(hidden))

    def prefix_logits(
        self, xs: Shaped[Array, "time batch ..."]
    ) -> Float[Array, "time_plus_1 batch classes"]:
        """The logits after 0 ... n inputs; the first are those of the hidden state 0."""
        return self.logits(from_zero(self.hidden(xs)[0]))


def from_zero(
    hidden: Float[Array, "time batch hidden"],
) -> Float[Array, "time_plus_1 batch hidden"]:
    """Hidden states after 0 ... n inputs from those after 1 ... n; before the first they are 0."""
    return jnp.concatenate([jnp.zeros((1, *hidden.shape[1:]), hidden.dtype), hidden])
