"""What is left of the memory: of the machine, or of the container that the process runs in."""

import pytest

from tf_lottery.store import machine


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """The folder in which Linux says what containers may take."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_memory_of_machine", lambda: 10_000)
    return tmp_path


def test_without_a_container_the_machine_counts(groups):
    assert machine.available_memory() == 10_000


@pytest.mark.parametrize(
    ("limit", "used", "cached", "left"),
    [
        ("5000", "3000", "inactive_file 500", 2500),
        ("5000", "6000", "", 0),
        ("50000", "3000", "", 10_000),
        ("max", "3000", "", 10_000),
    ],
)
def test_the_limit_of_a_container_counts_if_it_is_less(groups, limit, used, cached, left):
    (groups / "memory.max").write_text(f"{limit}\n")
    (groups / "memory.current").write_text(f"{used}\n")
    (groups / "memory.stat").write_text(f"anon 7\n{cached}\n")
    assert machine.available_memory() == left


def test_containers_of_the_older_kind(groups):
    folder = groups / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("5000\n")
    (folder / "memory.usage_in_bytes").write_text("3000\n")
    (folder / "memory.stat").write_text("inactive_file 7\ntotal_inactive_file 400\n")
    assert machine.available_memory() == 2400
    (folder / "memory.limit_in_bytes").write_text(f"{2**63 - 4096}\n")
    assert machine.available_memory() == 10_000
