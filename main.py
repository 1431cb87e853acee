"""Does what its flags describe: `python main.py --flagfile=configs/NAME.cfg`."""

from tf_lottery.cli import main

if __name__ == "__main__":
    main()
