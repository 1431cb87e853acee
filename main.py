"""Does what its flags describe: `python main.py --flagfile=configs/NAME.cfg`."""

from tf_lottery import cli

if __name__ == "__main__":
    cli.main()
