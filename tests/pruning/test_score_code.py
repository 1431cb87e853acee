"""What counts as another score of the same name: other code or values, and no other text."""

import functools
import os
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from tf_lottery.pruning.score_code import code_of


def defined(text: str) -> Any:
    """The `score` that a text defines."""
    names: dict[str, Any] = {"np": np, "functools": functools}
    exec(textwrap.dedent(text), names)
    return names["score"]


PLAIN = """
    def score(weights, mask, evidence, power=2):
        total = {name: abs(weights[name]) ** power for name in mask}
        return {name: value + 0.5 for name, value in total.items()}
"""
COMMENTED = """
    def score(weights, mask, evidence, power=2):
        \"\"\"Magnitude, to a power.\"\"\"
        # All of them.
        powers = {each: abs(weights[each]) ** power
                  for each in mask}

        return {each: value + 0.5 for each, value in powers.items()}
"""


def test_text_that_changes_nothing_does_not_count():
    assert code_of(defined(PLAIN)) == code_of(defined(COMMENTED))
    used = defined(PLAIN)
    for _ in range(100):  # Python rewrites the code of what is often called.
        used({"a": 1.0}, ["a"], None)
    assert code_of(used) == code_of(defined(PLAIN))


@pytest.mark.parametrize(
    ("old", "new"),
    [("abs(", "-abs("), ("0.5", "0.25"), ("power=2", "power=3"), ("abs", "hash"), ("**", "*")],
)
def test_other_code_counts(old: str, new: str):
    assert code_of(defined(PLAIN)) != code_of(defined(PLAIN.replace(old, new)))


def maker(factor: Any) -> Any:
    return lambda weights, mask, evidence: {name: factor * weights[name] for name in mask}


class Scaled:
    def __call__(self, weights, mask, evidence):
        return weights


def test_lambdas_are_told_apart():
    one, other = (lambda w, m, e: {n: abs(w[n]) for n in m}), (lambda w, m, e: dict(w))
    again = lambda w, m, e: {n: abs(w[n]) for n in m}  # noqa: E731
    assert code_of(one) == code_of(again) != code_of(other)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (1.0, 2.0),
        ("a", "b"),
        ([1, {"b": 2}], [1, {"b": 3}]),
        (np.arange(3.0), np.arange(3.0) + 1),
        (abs, len),
        (lambda x: x, lambda x: -x),
        (lambda x: {1, 2}, lambda x: {1, 3}),
    ],
)
def test_values_from_around_a_function_count(value: Any, other: Any):
    assert code_of(maker(value)) == code_of(maker(value)) != code_of(maker(other))


def test_whatever_can_be_called():
    function = defined(PLAIN)
    two, three = (functools.partial(function, power=power) for power in (2, 3))
    assert code_of(two) != code_of(three)
    assert code_of(Scaled()) == code_of(Scaled()) != code_of(function)
    assert code_of(Scaled().__call__) == code_of(Scaled())
    assert code_of(functools.cache(function)) == code_of(function)
    assert code_of("magnitude") is code_of(np.add) is code_of(print) is None


def test_a_function_that_calls_itself_and_objects_of_any_kind():
    def outer():
        def score(weights, mask, evidence):
            return score if weights else (thing, kind)

        thing, kind = object(), object
        return score

    assert code_of(outer()) == code_of(outer())


@pytest.mark.slow
def test_other_processes_find_the_same():
    text = "lambda w, m, e: [n for n in m if n in {'a', 'b', 'c', 'd'} and e not in ('x', 1.5)]"
    program = f"from tf_lottery.pruning.score_code import code_of; print(code_of({text}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
