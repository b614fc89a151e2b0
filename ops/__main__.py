"""`python -m ops`: the command line, for processes that start others of it."""

from ops.cli import main

if __name__ == "__main__":
    main(prog_name="walletstream")
