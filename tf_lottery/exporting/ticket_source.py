"""Where an exported network comes from: a model in memory, or a level of a run folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import check_path, expanded
from tf_lottery.exporting.compaction import CompactedModel
from tf_lottery.store.atomic import read_text
from tf_lottery.store.run_folder import RunFolder, data_name
from tf_lottery.tickets.load import load_ticket


@dataclass(frozen=True)
class Provenance:
    """How a network of a run folder was found.

    Attributes:
      dataset: name of the data it was trained on; None if the run does not say.
      level: number of prunings.
      flags: the flag file that replays its experiment.
      class_names: what its outputs stand for, in order; None where that is not known.
    """

    dataset: str | None
    level: int
    flags: str
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TicketSource:
    """A network to export.

    Attributes:
      model: prunable or plain.
      name: in words: of the model, or of run and level.
      dense: the network to compare it with; None without one.
      provenance: how it was found; None for a model in memory.
      ticket: as `LevelFolder.ticket` says; None for a model in memory.
    """

    model: Any
    name: str
    dense: Any = None
    provenance: Provenance | None = None
    ticket: str | None = None


def ticket_source(
    source: Any,
    level: int | None,
    dense: Any,
) -> TicketSource:
    """Reads the network to export.

    Args:
      source: a model, what `compact` gave, or the path of a run folder, or of a branch in it.
      level: of the run folder; None for its last finished one.
      dense: the network to compare with; by default level 0 of the run.

    Raises:
      ValueError: if there is no such run or level, or a level is given of a model.
    """
    if not isinstance(source, str | Path):
        if level is not None:
            raise ValueError(f"level={level} is of no use with a model; leave it out.")
        model = source.model if isinstance(source, CompactedModel) else source
        return TicketSource(model, str(getattr(model, "name", model)), dense)
    check_path("source", source)
    folder = RunFolder.read(expanded("source", source))
    levels = folder.complete_levels()
    if level is None:
        if not levels:
            raise ValueError(f"source={source} has no finished level; finish the run first.")
        level = levels[-1]
    model = load_ticket(source, level)
    is_branch = folder.kind_of_branch is not None
    home = RunFolder.read(folder.home) if is_branch else folder
    if dense is None and (level > 0 or is_branch) and home.level(0).is_complete():
        dense = load_ticket(home.path, 0)
    flags = read_text(folder.path / "flags.cfg")
    name = data_name(folder.identity, folder.details)
    provenance = Provenance(name, level, flags, folder.details.class_names)
    ticket = folder.level(level).ticket()
    return TicketSource(model, ticket_name(folder, level), dense, provenance, ticket)


def ticket_name(run: RunFolder, level: int) -> str:
    """What a level of a run folder is called outside of it: NAME/replicate_R/level_N."""
    # Branches are NAME/replicate_R/branches/LABEL.
    parts = 2 if run.kind_of_branch is None else 4
    return "/".join([*run.path.absolute().parts[-parts:], f"level_{level}"])
