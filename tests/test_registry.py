"""Registries: things of one kind by name."""

import re
import sys

import pytest

from tf_lottery.registry import Registry, import_installed_plugins, import_plugin, likely_names


@pytest.fixture
def registry():
    return Registry("branch", "--branch", "tf_lottery.data.sources")


def test_things_are_found_by_name(registry):
    registry.add("one", 1, "a")
    registry.add("another", 2, "b")
    assert dict(registry.all()) == {"another": 2, "one": 1}
    assert (registry.find("one"), registry.module_of("another")) == (1, "b")


def test_a_name_belongs_to_one_module_which_may_define_it_anew(registry):
    registry.add("one", 1, "a")
    registry.add("one", 2, "a")
    assert registry.find("one") == 2
    with pytest.raises(ValueError, match=r"^b: there is a branch 'one' already, in a\.$"):
        registry.add("one", 3, "b")


def test_a_plugin_that_takes_a_name_of_the_package_is_at_fault(tmp_path, monkeypatch):
    package = tmp_path / "with_one"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "thing.py").write_text(
        "from with_one_registry import things\nthings.add('one', 1, __name__)\n"
    )
    (tmp_path / "with_one_registry.py").write_text(
        "from tf_lottery.registry import Registry\n"
        "things = Registry('thing', '--thing', 'with_one')\n"
    )
    (tmp_path / "second.py").write_text(
        "from with_one_registry import things\nthings.add('one', 2, __name__)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    said = (
        "--plugin=second: its import failed with ValueError: second: there is a thing 'one' "
        f"already, in with_one.thing.\nIt arose in line 2 of {tmp_path / 'second.py'}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        import_plugin("second")
    things = sys.modules["with_one_registry"].things
    assert (things.find("one"), things.module_of("one")) == (1, "with_one.thing")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rewound", r"--branch=rewound is not a known branch\. Did you mean rewound_dense\?"),
        ("RETRIAN", r"--branch=RETRIAN is not a known branch\. Did you mean retrain\?"),
        ("x", r"--branch=x is not a known branch\. Known are: retrain, rewound_dense\.$"),
        (None, r"--branch=None is not a known branch"),
        ("", r"--branch= is not a known branch\. Known"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(registry, name, said):
    for known in ("retrain", "rewound_dense"):
        registry.add(known, 0, "a")
    with pytest.raises(ValueError, match=f"^{said}"):
        registry.find(name)


def test_files_that_could_not_be_imported_are_imported_the_next_time(tmp_path, monkeypatch):
    package = tmp_path / "half_written"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "thing.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", "--thing", "half_written")
    with pytest.raises(KeyboardInterrupt):
        registry.all()
    with pytest.raises(KeyboardInterrupt):
        registry.all()
    (package / "thing.py").write_text("")
    assert not registry.all()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package with two plug-ins, one of which cannot be imported."""
    about = tmp_path / "own_plugins-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-plugins\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[tf_lottery.plugins]\nwell = own_plugin\nbroken = broken_own_plugin\n"
    )
    (tmp_path / "own_plugin.py").write_text("imported = True\n")
    (tmp_path / "broken_own_plugin.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_installed_plugins.cache_clear()
    yield
    import_installed_plugins.cache_clear()
    sys.modules.pop("own_plugin", None)


def test_plugins_of_installed_packages_are_imported_and_a_broken_one_is_named(installed):
    said = r"plug-in broken \(broken_own_plugin\) is left out: ZeroDivisionError: division by zero"
    with pytest.warns(UserWarning, match=said):
        Registry("thing", "--thing", "tf_lottery.data.sources").all()
    assert sys.modules["own_plugin"].imported


@pytest.mark.parametrize(
    ("given", "likely"),
    [
        ("lenet", ["lenet_300_100"]),
        ("lenet_0", ["lenet_300_100"]),
        ("resnet_20", ["resnet20", "resnet50"]),
        ("reset20", ["resnet20", "resnet50"]),
        ("mobilenet", ["applications.mobilenetv2"]),
        ("x", []),
        ("", []),
    ],
)
def test_likely_names_begin_with_the_same_word_or_differ_by_a_slip(given, likely):
    known = ["applications.mobilenetv2", "lenet_300_100", "resnet20", "resnet50"]
    assert likely_names(given, known) == likely


def test_likely_names_come_in_the_same_order_each_time():
    assert likely_names("data", ["dataset", "data_dir"]) == ["data_dir", "dataset"]
    assert likely_names("data", {"dataset", "data_dir"}) == ["data_dir", "dataset"]
