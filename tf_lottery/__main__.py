"""`python -m tf_lottery`: the program, as `main.py` and the command `tf-lottery` are."""

from tf_lottery.cli import main

main()
