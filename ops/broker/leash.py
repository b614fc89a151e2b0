"""Become another program that the kernel kills when the parent process dies (Linux: PR_SET_PDEATHSIG, see prctl(2)).

Run as a script, `python -I -S leash.py PARENT_PID PROGRAM [ARGUMENT...]`, so that the parent needs no code
between fork and exec, which would be unsafe beside its threads. The process id stays the same through the exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
        if os.getppid() != parent_pid:
            sys.exit(1)  # the parent died before the kernel was told to watch it
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
