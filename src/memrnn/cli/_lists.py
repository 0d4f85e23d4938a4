"""The commands that list what there is: tasks, languages, models, devices; and strings."""

from typing import Any

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.languages import get_language, language_names
from memrnn.nn.components import parameter_count
from memrnn.nn.models import GRAMMAR, get_model, model_names
from memrnn.nn.network import OneHot
from memrnn.runtime.devices import describe
from memrnn.runtime.printing import print_json, print_rows, print_text
from memrnn.tasks import task_class, task_names


def tasks_command(json: bool = False) -> None:
    """Lists the tasks.

    Args:
        json: print JSON instead of a table.
    """
    rows: list[dict[str, Any]] = []
    for name in task_names():
        kind = task_class(name)
        argument, options = kind.option_names()[:1], kind.option_names()[1:]
        rows.append(
            {
                "name": ":".join([name, *(option.upper() for option in argument)]),
                "description": (kind.__doc__ or "").split("\n")[0],
                "options": list(options),
            }
        )
    print_rows(rows, json)


def languages_command(json: bool = False) -> None:
    """Lists the languages.

    Args:
        json: print JSON instead of a table.
    """
    languages = {name: get_language(name) for name in language_names()}
    rows = [
        {"name": name, "description": one.describe(), "symbols": list(one.symbols)}
        for name, one in languages.items()
    ]
    print_rows(rows, json)
    if not json:
        print_text(
            "All but count-3 and machines of your own take another number k of word symbols, as in "
            "marked-copy:k=5; dyck also a largest depth, as in dyck:k=3,depth=4."
        )


def models_command(json: bool = False) -> None:
    """Lists the models, with their number of parameters for three symbols.

    Args:
        json: print JSON instead of a table.
    """
    rows = [
        {
            "name": name,
            "description": description,
            "parameters": parameter_count(get_model(name).build(OneHot(3), 4, seed=0)),
        }
        for name, description in model_names().items()
    ]
    print_rows(rows, json)
    if not json:
        print_text(f"Further names: {GRAMMAR}.")


def devices_command(json: bool = False) -> None:
    """Lists the devices that JAX uses, with how programs are shaped for them.

    Args:
        json: print JSON instead of a table.
    """
    devices = describe()
    if json:
        print_json(devices)
        return
    for device in devices:
        print_rows([{"": name, "value": str(value)} for name, value in device.items()])


def sample_command(language: str, length: int, count: int = 10, seed: int = 0) -> None:
    """Prints strings of a language, one per line.

    Args:
        language: name of the language, see `memrnn languages`.
        length: number of symbols.
        count: number of strings.
        seed: the same seed draws the same strings.
    """
    chosen = get_language(language)
    if count < 1 or seed < 0:
        raise MemrnnError("count must be at least 1 and seed at least 0.")
    for string in chosen.sample(length, count, np.random.default_rng(seed)):
        print(chosen.decode(string))
