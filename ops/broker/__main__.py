"""`python -m ops.broker fetch`: download the broker's jars now. `... lock`: write `jars.sha256` anew."""

from __future__ import annotations

import sys

from ops.broker.errors import BrokerError
from ops.broker.jars import LOCK_FILE, classpath
from ops.broker.java import find_java


def main(arguments: list[str]) -> None:
    """Run one of the two commands; anything else prints how to use it.

    Raises:
        SystemExit: with a message where the command or its work failed.
    """
    match arguments:
        case ["fetch"]:
            try:
                java = find_java()
                jars = classpath(announce=lambda line: print(line, flush=True))
            except BrokerError as error:
                sys.exit(f"Error: {error}")
            print(f"broker: {len(jars)} jars checked, Java {java.major} from {java.origin} ({java.path})")
        case ["lock"]:
            from ops.broker.relock import resolve_lock

            LOCK_FILE.write_text(resolve_lock(), encoding="utf-8")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
