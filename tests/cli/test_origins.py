"""What is refused names the line of a flag file, or the --sweep, that its value stands in."""

import pytest
from absl import flags

from tests.report.runs_on_disk import write_run
from tf_lottery.cli import program
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.config.experiment import config_from_values

# To define all of them takes longer than all else here.
FLAGS = flags.FlagValues()
define_flags(FLAGS)
flags.DEFINE_integer("verbosity", 0, "", flag_values=FLAGS)


@pytest.fixture
def refusal(monkeypatch, tmp_path):
    """Returns a function that gives the program a command line, and returns its refusal."""
    monkeypatch.setattr(program.flags, "FLAGS", FLAGS)
    monkeypatch.setattr(program.commands.command_from_flags, "__defaults__", (FLAGS,))
    monkeypatch.chdir(tmp_path)
    FLAGS.unparse_flags()

    def give(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["main.py", *arguments])
        with pytest.raises(SystemExit) as end:
            program._run(program._parse(program.sys.argv))
        return str(end.value)

    return give


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a flag file of some lines."""

    def lines(name: str, *lines: str) -> str:
        (tmp_path / name).write_text("\n".join(lines))
        return f"--flagfile={name}"

    return lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--levls=3", "Error: --levls=3: there is no flag --levls. Did you mean --levels?"),
        ("--levels=two", "Error: flag --levels=two: 'two' is neither a number nor a range;"),
        ("--levels=-1", "Error: --levels=-1 is out of range: use 0 to 10000."),
        ("--learning_rate=-1e-3", "Error: --learning_rate=-0.001 is out of range: use a pos"),
        ("--export_ticket=maybe", "Error: flag --export_ticket=maybe: use true or false"),
        ("--overwrite", "Error: --overwrite is for exports: "),
        ("--levels 3", "Error: --levels 3: write --levels=3, without spaces."),
        ("--levels = 3", "Error: --levels = 3: write --levels=3, without spaces."),
        ("levels=3", "Error: levels=3: flags begin with --, such as --levels=5, without"),
        ("--sweep=levels:1,x", "Error: --sweep=levels:1,x: flag --levels=x: 'x' is neither"),
        ("--run=a", "Error: --run=a is for --experiment=branch or report or"),
    ],
)
def test_the_line_is_named(line, said, refusal, write):
    given = write("mine.cfg", "# Mine.", "", line, "--name=a")
    told = refusal(given, "--batch_size=5")
    assert told.startswith(said)
    assert told.count("mine.cfg") == 1
    assert f"\n{line} is line 3 of mine.cfg." in told


def test_the_file_that_has_the_line_is_named_not_the_one_that_names_that_file(refusal, write):
    write("inner.cfg", "--batch_size=5", "--levels=-1")
    assert refusal(write("outer.cfg", "--flagfile=inner.cfg")).endswith(
        "\n--levels=-1 is line 2 of inner.cfg."
    )


@pytest.mark.parametrize("inner", ["none.cfg", "", "inner.cfg --levels=2", "outer.cfg"])
def test_the_line_of_a_file_that_cannot_be_read_is_named(inner, refusal, write):
    told = refusal(write("outer.cfg", "# Mine.", f"--flagfile={inner}"))
    assert told.startswith(f"Error: --flagfile={inner} ")
    assert told.endswith(f"\n--flagfile={inner} is line 2 of outer.cfg.")
    assert ("Write --flagfile=FILE without spaces." in told) == (" " in inner)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('--dataset="digits"', "; in flag files, quotes are a part of the value."),
        ("--levels=3 # three", "; in flag files, # begins a comment at the beginning of a line"),
        ("--dataset=folder:nowhere", "."),
        ("--controls=random_mask,one_shott", "."),
    ],
)
def test_what_is_not_meant_as_it_stands_there_is_told(line, place, refusal, write):
    told = refusal(write("mine.cfg", line), "--name=a")
    assert f"\n{line} is line 1 of mine.cfg{place}" in told


def test_what_counts_is_what_is_meant(refusal, write):
    file = write("mine.cfg", "--levels=-1")
    assert refusal(file, "--levels=-2") == "Error: --levels=-2 is out of range: use 0 to 10000."
    assert refusal(file, "--levels=-1") == "Error: --levels=-1 is out of range: use 0 to 10000."
    assert refusal("--levels=-2", file).endswith("\n--levels=-1 is line 1 of mine.cfg.")
    # Each value is read, also one that another takes the place of.
    unread = write("other.cfg", "--levels=two")
    assert "\n--levels=two is line 1 of other.cfg.\n" in refusal(unread, "--levels=2")


def test_the_line_of_a_flag_that_is_turned_off_is_not_named_for_advice(refusal, write):
    told = refusal(write("mine.cfg", "--export_ticket"), "--noexport_ticket", "--overwrite")
    assert "give --export_ticket or --export_dir" in told
    assert "mine.cfg" not in told


def test_a_value_that_another_begins_with_is_not_taken_for_it(refusal, write, tmp_path):
    (tmp_path / "runs").write_text("A file.")
    file = write("mine.cfg", "--dense_from=runs", "--name=a", "--train_steps=2")
    told = refusal(file, "--dense_from=runs/a", "--train_steps=20it", "--rewind_step=30it")
    assert "mine.cfg" not in told


def test_both_lines_of_two_flags_that_clash_are_named(refusal, write):
    told = refusal(write("mine.cfg", "--momentum=0", "--nesterov"))
    assert "--nesterov is line 2 of mine.cfg." in told
    assert "--momentum=0 is line 1 of mine.cfg." in told


def test_the_line_that_is_not_as_in_the_run_is_named(refusal, write, tmp_path):
    values = {"name": "a", "workdir": "runs", "dataset": "digits", "model": "lenet_30_10"}
    values |= {"train_steps": "20it"}
    config = config_from_values(values)
    write_run(tmp_path / "runs" / "a" / "replicate_1", [0.9], identity=config.identity())
    given = [f"--{name}={value}" for name, value in values.items()]
    told = refusal(write("mine.cfg", "--learning_rate=0.5", *given))
    assert "--learning_rate: the run folder has " in told
    assert told.endswith("\n--learning_rate=0.5 is line 1 of mine.cfg.")


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("learning_rate:0.1,-1", "--learning_rate=-1.0 is out of range: use a positive number."),
        ("init_seed:1,-1", "--init_seed=-1 is out of range: use 0 or more."),
        ("nesterov:false,true", "--nesterov does not go with --momentum=0.0"),
        # What is refused when the data are known.
        ("rewind_step:5it,99it", "--rewind_step=99it is iteration 99, but training ends at 20"),
    ],
)
def test_a_value_of_a_sweep_is_refused_as_one(sweep, said, refusal):
    tiny = ["--dataset=digits", "--model=lenet_30_10", "--train_steps=20it", "--name=a"]
    told = refusal(*tiny, "--levels=1", f"--sweep={sweep}", "--sweep=score:magnitude,random")
    assert told.startswith(f"Error: --sweep={sweep}: {said}")


def test_runs_are_not_begun_within_a_run(refusal, tmp_path):
    run = write_run(tmp_path / "runs" / "a" / "replicate_1", [0.9])
    for workdir in (run, run / "level_0" / "more"):
        told = refusal("--name=b", f"--workdir={workdir}")
        assert told.startswith(f"Error: --workdir={workdir} is in the run folder {run}, where no")


def test_a_flag_beside_a_sweep_is_not_blamed_on_it(refusal):
    told = refusal("--batch_size=-1", "--name=a", "--sweep=learning_rate:0.1,0.2")
    assert told == "Error: --batch_size=-1 is out of range: use 1 or more."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--no-nesterov", "there is no flag --no-nesterov. Did you mean --nonesterov or --nest"),
        ("--LEARNING_RATE=1", "there is no flag --LEARNING_RATE. Did you mean --learning_rate?"),
        ("--levels", "give it a value, as --levels=VALUE"),
        ("--controls=random_mask,", "name the branches to run, such as random_mask,one_shot, or"),
    ],
)
def test_it_is_said_what_would_be_right(given, said, refusal):
    assert refusal(given).startswith(f"Error: {given}: {said}")


@pytest.mark.parametrize("given", [("--levels", "=", "3"), ("--levels", "=3")])
def test_spaces_around_the_equals_sign_are_told_of(given, refusal):
    assert "Write --levels=VALUE without spaces around the =\n" in refusal(*given)
    assert "without spaces around =" in refusal("--name", "=", "a")


@pytest.mark.parametrize("given", ["--experiment=norms", "--power=3", "--branch=scaled"])
def test_what_is_not_known_may_be_of_a_plugin_that_the_run_was_made_with(given, refusal, tmp_path):
    write_run(tmp_path / "a" / "replicate_1", [0.9], flags_text="--plugin=not_here\n")
    hint = "a/replicate_1 was made with --plugin=not_here; give that flag too."
    told = refusal("--experiment=branch", given, "--run=a")
    assert hint in told
    assert hint not in refusal("--experiment=branch", given, "--run=b")
