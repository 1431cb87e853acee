"""Masks: immutable, exact on disk, loud about damage."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from tf_lottery.masking.masks import Mask


def random_mask(*shapes: tuple[int, ...], seed: int = 0, density: float = 0.5) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask({f"layer_{i}/kernel": rng.random(s) < density for i, s in enumerate(shapes)})


def test_arrays_are_copied_and_read_only():
    source = np.array([True, False])
    mask = Mask({"a": source})
    source[0] = False
    assert mask["a"].tolist() == [True, False]
    with pytest.raises(ValueError, match="read-only"):
        mask["a"][1] = True
    with pytest.raises(TypeError):
        mask["b"] = source
    with pytest.raises(TypeError):
        hash(mask)


def test_other_dtypes_are_refused():
    with pytest.raises(ValueError, match=r"a/kernel.*float32"):
        Mask({"a/kernel": np.ones(3, np.float32)})


def test_densities():
    mask = Mask({"a": np.array([[True, False], [False, False]]), "b": np.array([True, True])})
    assert (mask.total, mask.remaining, mask.density) == (6, 3, 0.5)
    assert mask.densities() == {"a": 0.25, "b": 1.0}
    assert Mask.ones_like({"a": np.zeros((2, 3))}).density == 1.0


def test_layers_without_weights_are_named():
    some, none = np.array([[True, False]]), np.zeros((2, 1), bool)
    assert Mask({"a/kernel": none, "b/kernel": some, "c/w": none}).empty_layers() == ("a", "c")
    assert Mask({"a/kernel": some, "b/kernel": some}).empty_layers() == ()


def test_overlap_is_the_jaccard_index():
    one = Mask({"a": np.array([1, 1, 0, 0], bool), "b": np.array([1, 0], bool)})
    two = Mask({"a": np.array([1, 0, 1, 0], bool), "b": np.array([0, 1], bool)})
    empty = Mask({"a": np.zeros(4, bool), "b": np.zeros(2, bool)})
    assert one.overlap(two) == two.overlap(one) == 1 / 5
    assert one.overlap(one) == 1.0
    assert one.overlap(empty) == 0.0
    assert empty.overlap(empty) == 1.0


def test_overlap_of_masks_of_different_networks_is_an_error():
    small, large = random_mask((2, 3)), random_mask((2, 3), (4,))
    for one, two in ((small, large), (large, small)):
        with pytest.raises(ValueError, match="layer_1/kernel"):
            one.overlap(two)
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        small.overlap(random_mask((3, 2)))


def test_equality():
    assert random_mask((5, 3)) == random_mask((5, 3))
    assert random_mask((5, 3)) != random_mask((5, 3), seed=1)
    assert random_mask((5, 3)) != random_mask((5, 3), (2,))
    assert random_mask((6,)) != random_mask((6, 1))


def test_apply_leaves_positive_zeros_and_survivors_bit_for_bit():
    weights = np.array([-1.5, -0.0, np.nan, np.inf, -0.0, -2.0], np.float32)
    mask = Mask({"k": np.array([False, False, False, False, True, True])})
    bias = np.array([-1.0])
    applied = mask.apply({"k": weights, "bias": bias})
    assert applied["k"].dtype == np.float32
    assert applied["k"].view(np.uint32).tolist() == [
        0, 0, 0, 0, *weights[4:].view(np.uint32).tolist()
    ]  # fmt: skip
    assert applied["bias"] is bias
    assert weights[0] == -1.5


def test_apply_wants_every_masked_weight():
    with pytest.raises(ValueError, match="layer_1/kernel"):
        random_mask((2,), (3,)).apply({"layer_0/kernel": np.ones(2)})
    with pytest.raises(ValueError, match=r"layer_0/kernel has shape \(3,\)"):
        random_mask((2,)).apply({"layer_0/kernel": np.ones(3)})


@pytest.mark.parametrize(
    "shapes", [[(8,)], [(7,)], [(9,)], [(1,)], [(3, 5, 2), (17,), (1, 1)], [(0,), (5,)], [()]]
)
def test_round_trip_through_a_file(tmp_path: Path, shapes: list[tuple[int, ...]]):
    for seed in range(5):
        mask = random_mask(*shapes, seed=seed)
        mask.save(tmp_path / "masks.npz")
        loaded = Mask.load(tmp_path / "masks.npz")
        assert loaded == mask
        assert list(loaded) == list(mask)
        assert all(loaded[name].shape == mask[name].shape for name in mask)


def test_names_and_order_survive_a_file(tmp_path: Path):
    names = ["z/block:1/kernel", "a/kernel", "grün/kernel_"]
    mask = Mask({name: np.ones(3, bool) for name in names})
    mask.save(tmp_path / "masks.npz")
    assert list(Mask.load(tmp_path / "masks.npz")) == names


def test_a_file_holds_a_bit_per_weight_and_no_pickle(tmp_path: Path):
    path = tmp_path / "masks.npz"
    random_mask((300, 100), (100, 10)).save(path)
    assert path.stat().st_size < 31_000 / 8 + 2_000
    with np.load(path, allow_pickle=False) as members:
        assert all(members[name].dtype != object for name in members)


def test_damage_never_goes_unnoticed(tmp_path: Path):
    mask, path = random_mask((3, 5), (7,)), tmp_path / "masks.npz"
    mask.save(path)
    content = path.read_bytes()
    damaged = [content[:length] for length in range(0, len(content), 20)]
    directory = content.index(b"PK\x01\x02")
    for position in [*range(0, directory, 8), *range(directory, len(content), 2)]:
        edited = bytearray(content)
        edited[position] ^= 255
        damaged.append(bytes(edited))
    refused = 0
    for version in damaged:
        path.write_bytes(version)
        try:
            # A flipped bit in an unused field of the zip format, such as a date, does no harm.
            assert Mask.load(path) == mask
        except ValueError as error:
            assert "masks.npz" in str(error)
            refused += 1
    assert refused > len(damaged) / 2


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_a_pickle_is_not_loaded(tmp_path: Path):
    path, trace = tmp_path / "masks.npz", tmp_path / "unpickled"
    payload = np.array([Trap(trace)], dtype=object)
    for members in (
        {"names": payload},
        {"names": np.array(["a"]), "a:bits": payload, "a:shape": np.array([1])},
    ):
        np.savez(path, **members)
        with pytest.raises(ValueError, match=r"masks\.npz"):
            Mask.load(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"weights": np.ones(3)},
        {"names": np.array(["a"]), "a:bits": np.zeros(2, np.uint8), "a:shape": np.array([8])},
        {"names": np.array(["a"]), "a:bits": np.zeros(1, np.uint16), "a:shape": np.array([8])},
        {"names": np.array(["a"]), "a:bits": np.zeros(1, np.uint8), "a:shape": np.array([-8])},
        {"names": np.array(["a"]), "a:bits": np.zeros(1, np.uint8)},
        {"names": np.array(["a", "b"]), "a:bits": np.zeros(1, np.uint8), "a:shape": np.array([8])},
    ],
)
def test_foreign_archives_are_refused(tmp_path: Path, members: dict[str, np.ndarray]):
    np.savez(tmp_path / "foreign.npz", **members)
    with pytest.raises(ValueError, match=r"foreign\.npz"):
        Mask.load(tmp_path / "foreign.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04"])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes):
    (tmp_path / "foreign.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"foreign\.npz"):
        Mask.load(tmp_path / "foreign.npz")


def test_a_single_array_is_refused(tmp_path: Path):
    np.save(tmp_path / "array.npy", np.ones(3, bool))
    with pytest.raises(ValueError, match=r"array\.npy"):
        Mask.load(tmp_path / "array.npy")


def test_a_missing_file_is_reported_as_such(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        Mask.load(tmp_path / "masks.npz")


def test_a_mask_of_nothing_has_no_density():
    with pytest.raises(ValueError, match=r"^the mask is of no weights, so it has no density"):
        _ = Mask({}).density


def test_a_folder_is_no_file_of_a_mask(tmp_path):
    with pytest.raises(ValueError, match=rf"^path='{tmp_path}': it is a folder; give a file, such"):
        Mask.load(tmp_path)
    with pytest.raises(ValueError, match=rf"^path='{tmp_path}': it is a folder"):
        Mask.ones_like({"a": np.zeros(2)}).save(tmp_path)
    Mask.ones_like({"a": np.zeros(2)}).save(tmp_path / "masks.npz")
    with pytest.raises(ValueError, match=rf"such as {tmp_path}/masks\.npz\.$"):
        Mask.load(str(tmp_path))
    with pytest.raises(ValueError, match=r"^path=3: give a path, as"):
        Mask.load(3)


@pytest.mark.parametrize("other", [None, 0.5, [1], "masks.npz"], ids=str)
def test_what_is_no_mapping_is_named(other):
    mask = Mask.ones_like({"a": np.zeros(2)})
    for argument, call in (("other", mask.overlap), ("weights", mask.apply)):
        with pytest.raises(ValueError, match=rf"^{argument}={re.escape(repr(other))}: use a map"):
            call(other)
    with pytest.raises(ValueError, match=r"^weights="):
        Mask.ones_like(other)
