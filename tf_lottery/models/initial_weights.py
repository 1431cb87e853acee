"""Draws of initial weights that depend on the seed alone, whatever layers they are of."""

import functools
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.private_names import private_names

with private_names("tensorflow"):
    # The seed of all that is drawn, and what is drawn of it.
    from tensorflow.python.eager import context
with private_names("tf-keras"):
    # Seeds of initializers without one.
    from tf_keras.src.backend import _SEED_GENERATOR

_OF_KERAS = "keras.initializers"


class UnseededWeightsError(ValueError):
    """Weights that are drawn differently each time, whatever the seed."""


class Seeds:
    """Seeds of the weights of one network, each of them given once.

    Attributes:
      kernels: for the kernels of its layers, one after the other.
      scales: for the scales of its batch normalizations.
      others: for all else that is drawn.
    """

    def __init__(self, init_seed: int):
        """Gives none yet; `init_seed` is at least 0."""
        self.kernels = self._stream(init_seed)
        self.scales = self._stream(init_seed, 1)
        self.others = self._stream(init_seed, 2)
        self._code = _seed(init_seed, 0, 3)
        self._given: set[int] = set()
        self._used: set[int] = set()

    @contextmanager
    def seeding(self, *, users_code: bool) -> Iterator[None]:
        """Gives each weight that is made meanwhile a draw of its own.

        An initializer without a seed gets one. So does one of ours that draws a second weight, as
        layers with several kernels have it, which would have the values of the first.

        Args:
          users_code: whether layers or initializers are not Keras's: what they draw of TensorFlow,
            NumPy and Python is seeded too.

        Raises:
          UnseededWeightsError: if weights differ from draw to draw nevertheless.
        """
        unsteady: list[str] = []

        def create(next_creator: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
            drawn = options.get("initial_value")
            same: list[bool] = []
            if callable(drawn):
                own = self._own_draw(drawn)
                if own is None and users_code:
                    own = self._drawn_twice(drawn, same)
                options["initial_value"] = own or drawn
            variable = next_creator(**options)
            if not all(same):
                unsteady.append(variable.name.removesuffix(":0"))
            return variable

        with ExitStack() as stack:
            if users_code:
                stack.enter_context(_random_state(self._code))
            stack.enter_context(tf.variable_creator_scope(create))
            yield
        if unsteady:
            raise UnseededWeightsError(
                f"the initial values of {', '.join(unsteady)} are others each time they are drawn, "
                "so that --init_seed cannot choose them; draw them by an initializer of Keras, or "
                "by tf.random or np.random without a generator of your own."
            )

    def _own_draw(self, drawn: Callable[..., Any]) -> Callable[..., Any] | None:
        """What draws a weight in place of an initializer of Keras's kind; None of another."""
        if not isinstance(drawn, functools.partial):
            return None
        initializer = drawn.func
        if not isinstance(initializer, keras.initializers.Initializer):
            return None
        config = initializer.get_config()
        if "seed" not in config:
            return drawn if type(initializer).__module__.startswith("tf_keras.") else None
        seed = config["seed"]
        if seed is None or seed in self._used:
            initializer = type(initializer).from_config({**config, "seed": next(self.others)})
            return functools.partial(initializer, *drawn.args, **drawn.keywords)
        if seed in self._given:
            self._used.add(seed)
        return drawn

    def _drawn_twice(self, drawn: Callable[[], Any], same: list[bool]) -> Callable[[], Any]:
        """Draws a weight by code of the user's; `same` gets whether a seed chooses it."""
        seed = next(self.others)

        def draw() -> Any:
            values = []
            for _ in range(2):
                with _random_state(seed):
                    values.append(drawn())
            first, second = map(np.asarray, values)
            same.append(np.array_equal(first, second))
            return values[0]

        return draw

    def _stream(self, *numbers: int) -> Iterator[int]:
        first, *kind = numbers
        for index in itertools.count():
            seed = _seed(first, index, *kind)
            self._given.add(seed)
            yield seed


def is_initializer(config: dict[str, Any]) -> bool:
    """Whether a part of a layer's configuration is an initializer of Keras."""
    return config.get("module") == _OF_KERAS


def has_users_initializer(part: Any) -> bool:
    """Whether a configuration has an initializer that is not of Keras."""
    if isinstance(part, list | tuple):
        return any(map(has_users_initializer, part))
    if not isinstance(part, dict):
        return False
    return any(
        (key.endswith("initializer") and isinstance(value, dict) and not is_initializer(value))
        or has_users_initializer(value)
        for key, value in part.items()
    )


def _seed(*numbers: int) -> int:
    # TensorFlow takes seeds as signed 32-bit numbers.
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 1


@contextmanager
def _random_state(seed: int) -> Iterator[None]:
    """Has all that draws without a seed draw by this one; afterwards it goes on as before."""
    # The old generator of NumPy is the one that has no seed of its own.
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    of_keras = getattr(_SEED_GENERATOR, "generator", None)
    eager = context.context()
    of_tensorflow = {name: vars(eager).get(name) for name in ("_seed", "_rng")}
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002
        _SEED_GENERATOR.generator = of_keras
        vars(eager).update(of_tensorflow)
