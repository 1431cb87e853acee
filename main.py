"""Does what its flags describe: `python main.py --flagfile=configs/NAME.cfg`."""

import sys

if __name__ == "__main__":
    try:
        from tf_lottery.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()
