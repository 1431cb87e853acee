"""`--experiment=reproduce`: the commands of a figure, and that they make it."""

import pytest
from absl import flags

from tf_lottery.cli import reproduction, shipped_configs
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.paper_figures import PAPER_FIGURES, PaperFigure
from tf_lottery.config.steps import scaled_point
from tf_lottery.experiments.running.lengths import resolve_lengths


def asked(*arguments):
    values = flags.FlagValues()
    define_flags(values)
    values(["main.py", "--experiment=reproduce", *arguments])
    return values


@pytest.mark.parametrize("name", PAPER_FIGURES)
def test_a_figure_is_made_of_valid_commands(name, tmp_path):
    values = asked(f"--figure={name}", "--fraction=0.002", f"--workdir={tmp_path}", "--levels=2")
    experiments, followers = reproduction.reproduction(values)
    figure = PAPER_FIGURES[name]
    commands = [reproduction._command_of(line) for line in experiments]
    assert len(commands) == len(figure.files) * (1 + figure.unchanged_too)
    for command in commands:
        assert command.controls == figure.controls
        assert {config.pruning.levels for config in command.configs} == {2}
        for config in command.configs:
            resolve_lengths(config, 50_000)
    assert [line[0] for line in followers] == [
        *(f"--experiment={analysis}" for analysis in figure.analyses),
        "--experiment=report",
    ]


def test_a_share_of_the_length_scales_every_point():
    values = asked("--figure=lmc:resnet20", "--fraction=0.05", "--replicates=2", "--workdir=w")
    (standard, _, warmup), (instability, report) = reproduction.reproduction(values)
    (config,) = reproduction._command_of(standard).configs
    assert config.training.train_steps == "3150it"
    assert config.training.lr_milestones == "1600it,2400it"
    assert config.pruning.rewind_step == "100it"
    assert (config.name, config.seeds.replicate) == ("lmc_resnet20_cifar10_x0.05", 2)
    assert "--warmup_steps=1500it" in warmup
    assert "--run=w/lmc_resnet20_cifar10_x0.05" in instability
    assert report[-1] == "--report_dir=w/reproduction_lmc_resnet20_x0.05"


def test_dropout_has_the_learning_rates_of_its_figure():
    """arXiv 1803.03635: 3e-4 for Conv-2, 2e-4 for Conv-4 and Conv-6, other than in figure 5.

    The runs of figure 5 are in figure 6 too, as its dashed lines.
    """
    rates, names = {}, {}
    for name in ("lth:5", "lth:6"):
        lines, _ = reproduction.reproduction(asked(f"--figure={name}", "--replicates=1"))
        configs = [reproduction._command_of(line).configs[0] for line in lines]
        rates[name] = [(config.model.dropout, config.training.learning_rate) for config in configs]
        names[name] = [config.name for config in configs]
    assert rates["lth:5"] == [(0, 2e-4), (0, 3e-4), (0, 3e-4)]
    assert rates["lth:6"] == [*rates["lth:5"], (0.5, 3e-4), (0.5, 2e-4), (0.5, 2e-4)]
    dropout = [f"{run}_dropout" for run in names["lth:5"]]
    assert names["lth:6"] == [*names["lth:5"], *dropout]


def test_lenet_is_pruned_in_four_ways():
    """arXiv 1803.03635, figure 4: iteratively and at once, and both reinitialized."""
    ((line,), _) = reproduction.reproduction(asked("--figure=lth:4"))
    assert reproduction._command_of(line).controls == (
        *("random_reinitialization", "one_shot", "one_shot+random_reinitialization"),
    )


def test_how_often_one_looks_and_how_it_is_computed_can_be_changed():
    values = asked("--figure=lth:3", "--evaluate_every=50it", "--jit_compile=off")
    ((line, *_), _) = reproduction.reproduction(values)
    (config, *_) = reproduction._command_of(line).configs
    looks = config.training.evaluate_every, config.training.validate_every
    assert looks == ("50it", "50it")
    assert config.training.jit_compile == "off"
    values = asked("--figure=lth:3", "--fraction=0.1", "--validate_every=5it")
    (config, *_) = reproduction._command_of(reproduction.reproduction(values)[0][0]).configs
    looks = config.training.evaluate_every, config.training.validate_every
    assert looks == ("250it", "5it")


@pytest.mark.parametrize(
    ("text", "scaled"),
    [("0it", "0it"), ("1000it", "100it"), ("3it", "1it"), ("90ep", "9ep"), ("5%", "5%")],
)
def test_scaled_points(text, scaled):
    assert scaled_point(text, 0.1) == scaled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs --figure: one of lth:1, "),
        (("--figure=lth:5", "--fraction=0"), r"--fraction=0.0 is out of range: use 0 < fraction"),
        (
            ("--figure=lth:7", "--fraction=0.00001"),
            r"^--fraction=1e-05: iterations 56,240 and 84,360 \(--lr_milestones=56240it,84360it\) "
            r"would both be iteration 1; use 4e-05 or more\.$",
        ),
        (("--figure=lth:3", "--fraction=0.00001"), r"iterations 0 and 50,000 \(the start, --train"),
        (
            ("--figure=lth:5", "--model=conv2"),
            r"^--experiment=reproduce takes no --model\. It takes --replicates, --levels, "
            r"--evaluate_every, .*\. To change anything else, run the printed commands yourself",
        ),
        (
            ("--figure=lth:5", "--replicate=2"),
            r"^--experiment=reproduce takes no --replicate; give --replicates=2\. It also takes",
        ),
        (
            ("--figure=why:resnet20", "--control_levels=1"),
            r"^--control_levels=1: --figure=why:resnet20 has no controls; leave --control_levels ",
        ),
        (("--figure=lth:5", "--run=r"), "--run=r is for --experiment="),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        reproduction.reproduce(asked(*arguments))


def test_a_figure_of_other_experiments_is_refused():
    from tests.command_line import command_of

    with pytest.raises(ValueError, match="--figure=lth:5 is for --experiment=reproduce"):
        command_of("--figure=lth:5")


@pytest.mark.slow
def test_a_figure_is_made_and_made_again(monkeypatch, tmp_path, capsys):
    name = shipped_configs.folder() / "digits_lenet"
    figure = PaperFigure(
        "digits", (str(name),), ("one_shot",), ("magnitudes",), changed=("--dropout=0.5",)
    )
    monkeypatch.setitem(PAPER_FIGURES, "lth:1", figure)
    monkeypatch.setattr(reproduction.shipped_configs, "find", lambda path: f"{name}.cfg")
    monkeypatch.setattr(reproduction, "_run_name", lambda *_: "digits")
    arguments = ("--figure=lth:1", "--fraction=0.05", "--replicates=1-2", "--levels=1", "--jobs=1")
    for _ in range(2):
        assert reproduction.reproduce(asked(*arguments, f"--workdir={tmp_path}")) == 0
    assert (tmp_path / "reproduction_lth_1_x0.05" / "index.html").is_file()
    assert (tmp_path / "digits" / "replicate_2" / "branches" / "one_shot").is_dir()
    assert "main.py --flagfile=" in capsys.readouterr().out
