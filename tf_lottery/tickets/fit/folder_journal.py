"""Keeps a search of the library in a folder, so that another process can go on with it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.config.arguments import expanded
from tf_lottery.config.steps import parse_steps
from tf_lottery.masking.masks import Mask
from tf_lottery.messages import listed, warn_user
from tf_lottery.store.atomic import remove_leftovers, write_text
from tf_lottery.store.csv_files import table_text
from tf_lottery.store.errors import DamagedFileError, as_storage_error
from tf_lottery.store.lock import entries_of, exclusive
from tf_lottery.store.seal import seal, verify_seal
from tf_lottery.store.search_folder import SearchFolder, holds_a_search
from tf_lottery.store.search_remedy import SEARCH_SEAL
from tf_lottery.store.tensors import refuse_pattern_characters
from tf_lottery.store.training_rules import RULES, outdated_restart
from tf_lottery.tickets.fit.described_network import network_difference
from tf_lottery.tickets.fit.history import LevelResult
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.network import NetworkState

# Arguments that earlier versions did not have, with the values that their searches had.
_LATER = {"retraining": "rewind_weights", "fine_tune_learning_rate": None, "target_density": None}

# Folders that this process keeps open until it is told to let go.
_HELD: dict[Path, ExitStack] = {}


class FolderJournal(RunJournal):
    """A `LevelJournal` that lasts; the next process has to make a search with the same arguments.

    Attributes:
      path: the folder.
    """

    def __init__(self, path: str | Path, arguments: Mapping[str, Any]):
        """Looks whether the folder can be continued; writes nothing.

        Args:
          path: a folder, which need not exist.
          arguments: what makes the search this one, as JSON values.

        Raises:
          ValueError: if it holds something else, or a search with other arguments.
          DamagedFileError: if a file in it is not as it was written.
        """
        self.path = expanded("folder", path).absolute()
        refuse_pattern_characters(self.path, "a folder")
        super().__init__(SearchFolder(self.path))
        self._refuse_gaps()
        # As they are read back.
        self._arguments = json.loads(json.dumps(dict(arguments)))
        self._refuse_others(self._arguments)
        self._warn_of_other_python()

    @property
    def seed(self) -> int | None:
        """The seed of the search in the folder; None before it has begun."""
        return self._known().get("seed")

    @property
    def data(self) -> dict[str, Any]:
        """The fingerprint of the arrays that level 0 is trained on; empty if it is not known."""
        return self._known().get("data", {})

    @contextmanager
    def opened(
        self, training: Mapping[str, Any], seed: int, data: Mapping[str, Any]
    ) -> Iterator[None]:
        """Makes or continues the folder, which this process has for itself in the block.

        If a block of this process still holds it, that ends.

        Args:
          training: further arguments, known when training begins.
          seed: what is drawn with, if the search begins now.
          data: the fingerprint of the arrays to train on, if the search begins now.

        Raises:
          ValueError: as in the constructor, or if another process works in the folder.
          StorageError: if it cannot be written.
        """
        arguments = self._arguments | json.loads(json.dumps(dict(training)))
        # A `fit` that was interrupted could not.
        let_go_of_folder(self.path)
        with as_storage_error(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with exclusive(self.path, "choose another folder"):
            self._refuse_gaps()
            self._refuse_others(arguments)
            remove_leftovers(self.path)
            known = self._known()
            rules = self._rules_to_go_on(known)
            data = self.data if self.is_complete(0) else data
            content = {"arguments": arguments, "seed": known.get("seed", seed), "rules": rules}
            content |= {"data": dict(data)} if data else {}
            if known != content:
                seal(self.path, [], content, SEARCH_SEAL)
            yield

    def results(self) -> list[LevelResult]:
        """Results of the finished levels."""
        found = []
        while self.is_complete(len(found)):
            number = len(found)
            record = self._run.level(number).record()
            found.append(
                LevelResult(
                    number,
                    record["density"],
                    record["weights_remaining"],
                    record["metrics"],
                    # Folders of older versions lack them.
                    record.get("iterations"),
                    record.get("stopped_early", False),
                    record.get("weights_at"),
                )
            )
        return found

    def record(self, level: int) -> dict[str, Any]:
        """What was recorded of a finished level."""
        return self._run.level(level).record()

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Completes a level."""
        counts = {"density": mask.density, "weights_remaining": mask.remaining}
        metrics = record["metrics"]
        write_text(self._run.level(level).metrics_path, table_text(list(metrics), [metrics]))
        super().save(level, weights, mask, {**record, **counts})

    def has_rewind_state(self) -> bool:
        """Whether the folder has the network at the rewind step."""
        return self._run.rewind.exists()

    def save_rewind_state(self, state: NetworkState) -> None:
        """Keeps the network at the rewind step of level 0, which may begin anew."""
        self._run.rewind.save(state.tensors(), {"step": state.step}, replace=True)

    def _known(self) -> dict[str, Any]:
        return (
            verify_seal(self.path, name=SEARCH_SEAL) if (self.path / SEARCH_SEAL).exists() else {}
        )

    def _refuse_others(self, arguments: Mapping[str, Any]) -> None:
        known = self._known().get("arguments") and {**_LATER, **self._known()["arguments"]}
        if known is None:
            if self.path.exists():
                self._refuse_foreign()
            return
        if not self.is_complete(0):
            # Nothing is finished, as when the training diverged: it begins anew.
            return
        # Earlier levels do not depend on how many there will be.
        other = [
            _difference(name, known[name], value)
            for name, value in arguments.items()
            if name in known and name != "levels" and not _is_same(name, known[name], value)
        ]
        if other:
            raise ValueError(
                f"folder={self.path} holds another search: {'; '.join(other)}. Continue it with "
                "the arguments that it had, or choose another folder."
            )

    def _refuse_gaps(self) -> None:
        """Refuses levels that were pruned from one that is no longer there."""
        complete = self._run.complete_levels() if self.path.is_dir() else []
        for number, level in enumerate(complete):
            if level != number:
                raise DamagedFileError(self._run.level(number).path / "level.json", "is missing")

    def _warn_of_other_python(self) -> None:
        was, now = (
            arguments.get("score_code")
            for arguments in (self._known().get("arguments") or {}, self._arguments)
        )
        if was and now and was["python"] != now["python"] and self.is_complete(0):
            warn_user(
                f"folder={self.path}: its levels were pruned by a score of the same name under "
                f"{was['python']}, and this is {now['python']}, which compiles functions to other "
                "code: that it is the same function cannot be checked.",
            )

    def _rules_to_go_on(self, known: Mapping[str, Any]) -> int:
        """The number of the rules by which the levels are trained."""
        if not known:
            return RULES
        arguments, rules = self._arguments, known.get("rules", 1)
        begins = parse_steps(
            arguments["rewind_step"], steps_per_epoch=1, total_steps=10**9, argument="rewind_step"
        )
        outdated = []
        if begins and not arguments["rewind_optimizer"]:
            outdated = outdated_restart(arguments["optimizer"]["name"], rules)
        finished = len(self.results())
        if not outdated or finished < 2:
            return RULES
        if finished <= arguments["levels"]:
            raise ValueError(
                f"folder={self.path} holds a search that an older version of tf_lottery began: "
                f"{'; '.join(outdated)}. Its levels cannot be continued by another rule; choose "
                "another folder to train them anew."
            )
        return rules

    def _refuse_foreign(self) -> None:
        if not self.path.is_dir():
            raise ValueError(f"folder={self.path} is a file; choose a folder.")
        if holds_a_search(self.path):
            raise DamagedFileError(self.path / SEARCH_SEAL, "is missing")
        if foreign := entries_of(self.path):
            raise ValueError(
                f"folder={self.path} is no folder of a search: it holds {', '.join(foreign[:5])}. "
                "Choose a new or an empty folder."
            )


def hold_folder(path: Path, opened: AbstractContextManager[None]) -> None:
    """Enters a block in which a folder is open, until `let_go_of_folder`.

    Args:
      path: the folder.
      opened: the block; if one that was interrupted still has the folder, that ends.
    """
    held = ExitStack()
    held.enter_context(opened)
    _HELD[path] = held


def let_go_of_folder(path: Path) -> None:
    """Leaves the block that `hold_folder` has entered, if there is one."""
    _HELD.pop(path, ExitStack()).close()


def _is_same(name: str, was: Any, now: Any) -> bool:
    if name == "network":
        return not network_difference(was, now)
    if name == "loss" and None in (was, now):
        # A loop of the user's has its own.
        return True
    # Another Python compiles the same text to other code.
    return was == now or (name == "score_code" and was["python"] != now["python"])


def _difference(name: str, was: Any, now: Any) -> str:
    if name == "score_code":
        return (
            "the function given as score computes something else than the one of that name there, "
            "or with other values (comments and docstrings do not count)"
        )
    if name == "network":
        return network_difference(was, now)
    if name == "weights":
        return _weights_difference(was, now)
    if isinstance(was, dict) and isinstance(now, dict):
        if was.get("name") != now.get("name"):
            was, now = was.get("name"), now.get("name")
        else:
            inner = [key for key in {**was, **now} if was.get(key) != now.get(key)]
            return "; ".join(
                _difference(f"{name}: {key}", was.get(key), now.get(key)) for key in inner
            )
    # Keras keeps rates in float32, which 0.01 is not.
    was, now = (
        float(f"{value:.7g}") if isinstance(value, float) else value for value in (was, now)
    )
    return f"{name} was {json.dumps(was)}, is {json.dumps(now)}"


def _weights_difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    shapes = [
        f"{weight} has the shape {tuple(now[weight])}, and had {tuple(was[weight])}"
        for weight in now
        if now[weight] != was.get(weight, now[weight])
    ]
    if shapes:
        return listed(shapes, most=3)
    unlike = [weight for weight in now if weight not in was] or ["fewer weights"]
    return (
        f"the model has {listed(unlike, most=3)}, unlike the model there (Keras numbers layers "
        "without names; give yours names)"
    )
