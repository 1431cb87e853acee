"""--launcher and --launcher_options: what can be read, and what is refused."""

import pytest

from tf_lottery.config.launching import LOCAL, Launcher, options_text, read_launcher


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        (
            "partition:gpu, timeout_min:600,mem_gb:1.5,gpus_per_node:1",
            {"partition": "gpu", "timeout_min": 600, "mem_gb": 1.5, "gpus_per_node": 1},
        ),
        ("scheduler:tcp://host:8786", {"scheduler": "tcp://host:8786"}),
        ('a:1,"exclude:node1,node2"', {"a": 1, "exclude": "node1,node2"}),
        ("use_srun:false,exclusive:TRUE", {"use_srun": False, "exclusive": True}),
        ("account:007,time:1:30,x:1e3", {"account": "007", "time": "1:30", "x": "1e3"}),
        ("setup:module load a,setup:b", {"setup": ["module load a", "b"]}),
        ('"slurm_setup:echo ""a, b"""', {"slurm_setup": ['echo "a, b"']}),
    ],
)
def test_options_are_read_and_written(text, options):
    launcher = read_launcher("submitit", text)
    assert launcher == Launcher("submitit", options)
    assert read_launcher("submitit", options_text(launcher)) == launcher


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("submitit", "gpu", "write NAME:VALUE"),
        ("submitit", "partition:", "write NAME:VALUE"),
        ("submitit", "a b:c", "write NAME:VALUE"),
        ("submitit", "a:1,a:2", "a is there twice"),
        ("submitit", '"a:1', "in double quotes"),
        ("local", "a:1", "is for --launcher=submitit or dask"),
    ],
)
def test_others_are_refused(name, text, message):
    with pytest.raises(ValueError, match=f"^--launcher_options={text}.*{message}"):
        read_launcher(name, text)


def test_the_default_is_this_machine():
    assert read_launcher("local", "") == LOCAL and LOCAL.is_local
