"""What Keras expects of an initializer: a registered name, and a seed drawn once.

Keras is looked at only where it is loaded already, and never imported.
"""

import random
import sys
from types import ModuleType

PACKAGE = "cthulhu"
"""The package under which the classes are registered, as in ``"cthulhu>HeNormal"``."""

DRAWN_SEED = "_drawn_seed"
"""The attribute that holds the seed which an instance drew for Keras."""

BETWEEN = frozenset({"cthulhu", "functools", "jax"})


def _saving() -> ModuleType | None:
    """`keras.saving`, or `None` where Keras is not loaded."""
    return getattr(sys.modules.get("keras"), "saving", None)


def called_by_keras() -> bool:
    """Whether the code that called the initializer, JAX's own apart, is Keras's.

    Under a distribution Keras calls from inside `jax.jit`. No argument tells its
    calls from a user's.
    """
    if "keras" not in sys.modules:
        return False
    frame = sys._getframe(1)
    while frame.f_back is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in BETWEEN:
            return package == "keras"
        frame = frame.f_back
    return False


def drawn_seed(instance: object) -> int:
    """The seed that an instance draws for itself, once.

    It is drawn as Keras draws its own, from Python's generator, which
    `keras.utils.set_random_seed` seeds on every host alike.
    """
    if DRAWN_SEED not in vars(instance):
        object.__setattr__(instance, DRAWN_SEED, random.randint(1, 10**9))
    seed: int = getattr(instance, DRAWN_SEED)
    return seed


def register(cls: type) -> None:
    """Tell Keras, if it is loaded, the name under which it saves a class of this library."""
    saving = _saving()
    if saving is None or cls.__module__.partition(".")[0] != PACKAGE:
        return
    name = f"{PACKAGE}>{cls.__name__}"
    # A name that a user has given it stays.
    free = saving.get_registered_name(cls) in (cls.__name__, name)
    if free and saving.get_registered_object(name) is None:
        saving.register_keras_serializable(PACKAGE)(cls)


def registered(name: str) -> object:
    """What is registered with Keras under a name, or `None`."""
    saving = _saving()
    return None if saving is None else saving.get_registered_object(name)
