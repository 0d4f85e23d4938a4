"""Recurrent cells. A new one is one file here and one line in `CONTROLLERS`."""

from memrnn.controllers._controller import Controller as Controller
from memrnn.controllers._controller import State as State
from memrnn.controllers._elman import Elman as Elman
from memrnn.controllers._gru import GRU as GRU
from memrnn.controllers._lstm import LSTM as LSTM

CONTROLLERS: dict[str, type[Controller]] = {
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
}
