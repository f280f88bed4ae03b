"""Names and configs that stand for nothing, and what no config can hold."""

from typing import Any

from cthulhu import backend as K
from cthulhu.initializers import HeNormal, Initializer, deserialize, get, serialize
from tests.refusals import Refused, each


class Gain(Initializer):
    """A subclass with an argument and without `get_config`."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return self.gain * K.ones(shape, dtype=dtype)


NAMES = (
    Refused(
        "name unknown",
        lambda: get("he_norml"),
        ValueError,
        r"^unknown initializer 'he_norml' \(did you mean 'he_normal'\?\)\. "
        r"Known names: blocked, by_depth, chrono, constant, .*; pass custom_objects=",
    ),
    Refused(
        "name of another case",
        lambda: get("HENORMAL"),
        ValueError,
        r"^unknown initializer 'HENORMAL'",
    ),
    Refused(
        "identifier a number",
        lambda: get(3),
        TypeError,
        r"an initializer is named by a string, a config dict, .*; got 3 of type int",
    ),
)

CONFIGS = (
    Refused(
        "argument unknown",
        lambda: get({"class_name": "RandomNormal", "config": {"stdev": 1.0}}),
        TypeError,
        r"^RandomNormal: unknown argument 'stdev' in a config \(did you mean 'stddev'\?\); "
        r"it has mean, stddev, seed$",
    ),
    Refused(
        "without class_name",
        lambda: get({"config": {}}),
        TypeError,
        r"^deserialize: a config must have a 'class_name', a string, and a 'config', a dict; "
        r"got \{'config': \{\}\}$",
    ),
    Refused(
        "config None",
        lambda: deserialize({"class_name": "Zeros", "config": None}),
        TypeError,
        r"^deserialize: a config must have .*; got \{'class_name': 'Zeros', 'config': None\}$",
    ),
    Refused(
        "a number",
        lambda: deserialize(7),
        TypeError,
        r"^deserialize: a name or a config dict is needed; got 7 of type int$",
    ),
)

INSTANCES = (
    Refused(
        "a wrapped callable",
        lambda: serialize(get(lambda shape, dtype=None: K.ones(shape))),
        TypeError,
        r"^serialize: FromCallable has arguments and no get_config.*a bare function or an array "
        r"cannot be saved: subclass Initializer",
    ),
    Refused(
        "a class",
        lambda: serialize(HeNormal),
        TypeError,
        r"^serialize: an instance of Initializer is needed; got <class .*HeNormal'> of type type\. "
        r"Make an instance: HeNormal\(\)",
    ),
    Refused(
        "an object",
        lambda: serialize(object()),
        TypeError,
        r"^serialize: an instance of Initializer is needed; got <object .*> of type object",
    ),
    Refused(
        "a subclass without get_config",
        lambda: serialize(Gain(2.0)),
        TypeError,
        r"^serialize: Gain has arguments and no get_config, so its config would lose them\. "
        r"Implement get_config\(self\)",
    ),
)


@each((*NAMES, *CONFIGS, *INSTANCES))
def test_what_stands_for_no_initializer_is_refused(refused: Refused) -> None:
    refused.check()
