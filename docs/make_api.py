"""Writes docs/api.md from the docstrings and signatures of the package, which is not imported."""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import griffe
from griffe import DocstringSectionKind as Section
from griffe import ParameterKind as Kind

from tf_lottery.config.options import choices_of

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "api.md"
_WIDTH = 88

# Title: the module, and the names of it that are shown; without names, all public ones.
CONTENTS: dict[str, tuple[str, str]] = {
    "Models and masks": ("tf_lottery", "prunable get_mask set_mask strip Mask"),
    "Searches around model.fit": (
        "tf_lottery",
        "IterativeMagnitudePruning PruneAndRewind SearchHistory LevelResult AdaptiveRate "
        "IMPSchedule EmptyLayerWarning TrainingDivergedError",
    ),
    "Export": ("tf_lottery", "export_saved_model export compact"),
    "PyTorch": ("tf_lottery", "to_torch from_torch TorchTicket"),
    "Exported files": (
        "tf_lottery.exporting.export_report",
        "ExportReport FormatResult Compaction Precision",
    ),
    "Compacted networks": ("tf_lottery.exporting.compaction", "CompactedModel CompactedLayer"),
    "Experiments": (
        "tf_lottery",
        "run_experiment run_branch run_analysis load_ticket from_arrays Dataset WorkerLostError",
    ),
    "Results of experiments": ("tf_lottery.store.schema", "LevelSummary"),
    "Matching": ("tf_lottery.config.matching", ""),
    "Data": ("tf_lottery.data", "Split load_dataset"),
    "Networks of the program": (
        "tf_lottery.models.build",
        "build_model draw_model",
    ),
    "Names of networks": (
        "tf_lottery.models.registry",
        "register_model model_names example_models check_model_name",
    ),
    "Scores": ("tf_lottery.pruning.score", ""),
    "Scores by magnitude": ("tf_lottery.pruning.scores.magnitudes", ""),
    "Scores by gradients": ("tf_lottery.pruning.scores.gradients", ""),
    "The score by synaptic flow": ("tf_lottery.pruning.scores.synflow", ""),
    "Random masks": ("tf_lottery.pruning.random_masks", ""),
    "Branches": ("tf_lottery.config.branches", ""),
    "Parameters of branches": ("tf_lottery.config.parameters", "Parameter"),
    "What a branch starts from": ("tf_lottery.tickets.origin", ""),
    "Weights of a network": ("tf_lottery.training.network", "weights_of set_weights"),
    "Evaluation": ("tf_lottery.training.evaluation", "Evaluation Evaluator"),
    "Execution": ("tf_lottery.training.execution", ""),
    "Solutions and their distances": ("tf_lottery.landscape.solutions", ""),
    "Lines between solutions": ("tf_lottery.landscape.interpolation", ""),
    "Solutions up to the order of units": ("tf_lottery.landscape.weight_matching", ""),
    "Units that can change places": (
        "tf_lottery.exporting.compaction.exchangeable",
        "exchangeable_units",
    ),
    "Permutations of units": ("tf_lottery.masking.permutations", ""),
    "Networks at any weights": ("tf_lottery.landscape.solution_evaluator", ""),
    "Statistics of batch normalization": ("tf_lottery.landscape.statistics", ""),
    "What networks answer": ("tf_lottery.landscape.predictions", ""),
    "Loss, gradient and Hessian": ("tf_lottery.landscape.hessian", ""),
    "Coordinates": ("tf_lottery.landscape.coordinates", ""),
    "Eigenvalues": ("tf_lottery.landscape.lanczos", ""),
    "Spectra": ("tf_lottery.landscape.spectrum", ""),
    "How much can be pruned at once": ("tf_lottery.landscape.pruning_limit", ""),
    "Magnitudes": ("tf_lottery.landscape.magnitudes", ""),
    "Configuration": ("tf_lottery", "ExperimentConfig config_from_values"),
    "Flags of the data": ("tf_lottery.config.data", "DataConfig"),
    "Flags of the network": ("tf_lottery.config.network", "ModelConfig"),
    "Flags of training": ("tf_lottery.config.training", "TrainingConfig"),
    "Flags of pruning and rewinding": ("tf_lottery.config.pruning", "PruningConfig"),
    "Flags of seeds and branches": ("tf_lottery.config.controls", "SeedConfig BranchConfig"),
    "Flags of the run": ("tf_lottery.config.run", "RunConfig"),
    "Analyses": ("tf_lottery.config.analyses", ""),
    "What an analysis shows": ("tf_lottery.experiments.measuring.rows", ""),
    "Measuring a run": ("tf_lottery.experiments.measuring.analysis", ""),
    "Running a command": ("tf_lottery", "run_command"),
    "Commands": ("tf_lottery.experiments.commands", ""),
    "Flags of commands": ("tf_lottery.cli.command_flags", ""),
    "Reading commands": ("tf_lottery.cli.commands", ""),
}

_INTRODUCTION = """# API

Made from the docstrings by `make docs`. Begin with the names of `tf_lottery` itself;
the others are the pieces they are made of. [tutorial.md](tutorial.md) shows them at work.

"""
# Types are in the signatures. That an argument is described which there is not is complained of.
_DOCSTRING_OPTIONS = {
    "returns_multiple_items": False,
    "returns_named_value": False,
    "warn_missing_types": False,
}


def api_markdown(root: Path = ROOT) -> str:
    """The page.

    Args:
      root: folder that holds the package.

    Raises:
      ValueError: if a name of the contents has no docstring.
    """
    package = griffe.load(
        "tf_lottery",
        search_paths=[root],
        try_relative_path=False,
        docstring_parser="google",
        docstring_options=_DOCSTRING_OPTIONS,
    )
    modules = _modules_of_public_names(package)
    listed, described = [], []
    anchors: dict[str, int] = {}
    for title, (path, chosen) in CONTENTS.items():
        module = package if path == "tf_lottery" else package[path.removeprefix("tf_lottery.")]
        section, links = _anchor(title, anchors), []
        described += [f"## {title}\n", f"In `{path}`.{'' if chosen else _introduction(module)}\n"]
        for name in chosen.split() or _public_names(module):
            owner = package[modules[name]] if module is package else module
            member = owner[name].final_target if owner[name].is_alias else owner[name]
            links.append(f"[`{name}`](#{_anchor(name, anchors)})")
            described += _described(member, name, anchors)
        listed.append(f"- [{title}](#{section}): {', '.join(links)}")
    return _INTRODUCTION + "\n".join(listed) + "\n\n" + "\n".join(described)


def _modules_of_public_names(package: griffe.Module) -> dict[str, str]:
    """Where the names of `tf_lottery` are, relative to it: they are loaded when they are used."""
    modules = ast.literal_eval(str(package["_MODULES"].value))
    return {name: path.removeprefix("tf_lottery.") for name, path in modules.items()}


def _introduction(module: griffe.Module) -> str:
    """What a module says of itself."""
    return "" if module.docstring is None else f" {module.docstring.value}"


def _public_names(module: griffe.Module) -> list[str]:
    return [
        name
        for name, member in module.members.items()
        if not name.startswith("_")
        and not member.is_alias
        and (member.is_class or member.is_function)
    ]


def _anchor(heading: str, taken: dict[str, int]) -> str:
    """The anchor that GitHub gives to a heading; equal ones are numbered."""
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    number = taken[anchor] = taken.get(anchor, -1) + 1
    return f"{anchor}-{number}" if number else anchor


def _described(
    member: griffe.Object, name: str, anchors: dict[str, int], level: int = 3
) -> Iterator[str]:
    """Paragraphs about a class or a function, and about the methods of a class."""
    if member.docstring is None:
        raise ValueError(f"{member.path} has no docstring; write one, or leave it out.")
    yield f"{'#' * level} `{name}`\n"
    yield f"```python\n{_signature(member)}\n```\n"
    if member.is_class and member.bases and member.parameters:
        yield f"Extends {', '.join(f'`{base}`' for base in member.bases)}.\n"
    yield from _sections(member)
    if not member.is_class:
        return
    constructor = member.members.get("__init__")
    if constructor is not None and constructor.docstring is not None:
        yield from _sections(constructor)
    yield from _attributes(member)
    for method_name, method in member.functions.items():
        public = not method_name.startswith("_") or method_name == "__call__"
        if public and method.docstring is not None:
            heading = f"{name}.{method_name}"
            _anchor(heading, anchors)
            yield from _described(method, heading, anchors, level + 1)


def _signature(member: griffe.Class | griffe.Function) -> str:
    if member.is_class:
        bases = ", ".join(str(base) for base in member.bases)
        if not member.parameters:
            return f"class {member.name}" + (f"({bases})" if bases else "")
        return _wrapped(f"class {member.name}", _parameters(member.parameters), "")
    start = "".join(
        f"@{kind}\n" for kind in ("classmethod", "staticmethod") if kind in member.labels
    )
    returns = "" if member.returns is None else f" -> {member.returns}"
    return start + _wrapped(member.name, _parameters(member.parameters), returns)


def _wrapped(start: str, parameters: list[str], end: str) -> str:
    line = f"{start}({', '.join(parameters)}){end}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{start}(", *(f"    {parameter}," for parameter in parameters), f"){end}"])


def _parameters(parameters: griffe.Parameters) -> list[str]:
    written, keyword_only = [], False
    for parameter in parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is Kind.keyword_only and not keyword_only:
            keyword_only = True
            written.append("*")
        stars = {Kind.var_positional: "*", Kind.var_keyword: "**"}.get(parameter.kind, "")
        keyword_only = keyword_only or stars == "*"
        default = None if stars else _default(parameter.default)
        written.append(_typed(stars + parameter.name, parameter.annotation, default))
    return written


def _typed(name: str, annotation: object, default: str | None) -> str:
    text = name if annotation is None else f"{name}: {annotation}"
    return text if default is None else f"{text} = {default}"


def _default(value: str | griffe.Expr | None) -> str | None:
    """A default as it is written; of a field that `config.option` makes, the field's."""
    if _is_option(value):
        return str(value.arguments[0])
    return None if value is None else str(value)


def _is_option(value: str | griffe.Expr | None) -> bool:
    return isinstance(value, griffe.ExprCall) and value.canonical_name == "option"


def _sections(member: griffe.Object) -> Iterator[str]:
    """What a docstring says, but for attributes."""
    for section in member.docstring.parsed:
        if section.kind is Section.text:
            yield f"{section.value}\n"
        elif section.kind is Section.parameters:
            yield _list("Arguments", [(item.name, item.description) for item in section.value])
        elif section.kind is Section.returns:
            yield f"**Returns**: {_returned(member, section.value[0])}\n"
        elif section.kind is Section.raises:
            yield _list("Raises", [(item.annotation, item.description) for item in section.value])


def _returned(member: griffe.Function, item: griffe.DocstringReturn) -> str:
    # What precedes a colon is taken for a type, but types are in the signature.
    before = "" if str(item.annotation) == str(member.returns) else f"{item.annotation}: "
    return _one_line(before + item.description)


def _attributes(member: griffe.Class) -> Iterator[str]:
    """Attributes that the docstring names, the options of a configuration, and properties."""
    documented = [
        item
        for section in member.docstring.parsed
        if section.kind is Section.attributes
        for item in section.value
    ]
    items = [
        (_typed(item.name, _annotation(member, item.name), None), item.description)
        for item in documented
    ]
    for name, attribute in member.attributes.items():
        if name.startswith("_") or any(item.name == name for item in documented):
            continue
        if "property" in attribute.labels and attribute.docstring is not None:
            items.append((_typed(name, attribute.annotation, None), attribute.docstring.value))
        elif _is_option(attribute.value):
            items.append(_option(name, attribute))
    if items:
        yield _list("Attributes", items)


def _annotation(member: griffe.Class, name: str) -> object:
    attribute = member.members.get(name)
    return None if attribute is None or not attribute.is_attribute else attribute.annotation


def _option(name: str, attribute: griffe.Attribute) -> tuple[str, str]:
    """A field that `config.option` makes: its help, and its choices."""
    help_text = ast.literal_eval(str(attribute.value.arguments[1]))
    section = getattr(importlib.import_module(attribute.parent.parent.path), attribute.parent.name)
    (option,) = (field for field in dataclasses.fields(section) if field.name == name)
    if choices := choices_of(option.type):
        help_text += f" Choices: {', '.join(f'`{choice}`' for choice in choices)}."
    annotation = "str" if choices else attribute.annotation
    return _typed(name, annotation, _default(attribute.value)), help_text


def _list(label: str, items: Sequence[tuple[object, str]]) -> str:
    lines = [f"- `{name}`: {_one_line(text)}" for name, text in items]
    return "\n".join([f"**{label}**\n", *lines, ""])


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    PAGE.write_text(api_markdown())
