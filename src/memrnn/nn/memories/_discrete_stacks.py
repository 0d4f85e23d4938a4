"""Stacks that push, pop or do nothing as arrays with the place of their top."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float, Int


class DiscreteStacks(NamedTuple):
    """Many stacks of vectors, each of which keeps its uppermost `height` vectors.

    Attributes:
        vectors: what each stack holds, in a ring of `height` places.
        place: of the top in the ring.
        filled: vectors in the stack, at most `height`.
        top: the uppermost vector; zeros where the stack is empty.
    """

    vectors: Float[Array, "stacks height width"]
    place: Int[Array, " stacks"]
    filled: Int[Array, " stacks"]
    top: Float[Array, "stacks width"]


def empty_stacks(stacks: int, height: int, width: int, dtype: DTypeLike) -> DiscreteStacks:
    """Stacks without vectors."""
    none = jnp.zeros(stacks, jnp.int32)
    vectors = jnp.zeros((stacks, height, width), dtype)
    return DiscreteStacks(vectors, none, none, vectors[:, 0])


def changed(
    stacks: DiscreteStacks,
    pushes: Bool[Array, " stacks"],
    pops: Bool[Array, " stacks"],
    vector: Float[Array, "stacks width"],
) -> DiscreteStacks:
    """After a push of `vector` where `pushes`, after a pop where `pops`; no stack does both.

    A full stack loses its lowest vector to a push. An empty stack stays empty after a pop.
    """
    vectors, place, filled, _ = stacks
    height = vectors.shape[1]
    upwards = pushes.astype(jnp.int32) - (pops & (filled > 0)).astype(jnp.int32)
    place = (place + upwards) % height
    filled = jnp.minimum(filled + upwards, height)
    # Every stack writes one place, what is there already where it does not push: one gather and
    # one scatter, whatever the height.
    every = jnp.arange(len(place))
    there = jnp.where(pushes[:, None], vector, vectors[every, place])
    vectors = vectors.at[every, place].set(there, unique_indices=True, indices_are_sorted=True)
    return DiscreteStacks(vectors, place, filled, jnp.where((filled > 0)[:, None], there, 0))
