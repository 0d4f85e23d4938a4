"""Recurrent cells. A new one is one file here and one line in `CONTROLLERS`."""

from collections.abc import Callable

from memrnn.controllers._controller import AffineController as AffineController
from memrnn.controllers._controller import Controller as Controller
from memrnn.controllers._controller import Vectors as Vectors
from memrnn.controllers._elman import Elman as Elman
from memrnn.controllers._gru import GRU as GRU
from memrnn.controllers._lstm import LSTM as LSTM

CONTROLLERS: dict[str, Callable[..., Controller]] = {
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
}
