"""What an operations command cannot do, told to who ran it."""

from __future__ import annotations


class OperationError(Exception):
    """The command failed for a reason outside of it; the message says what is wrong and what to do about it."""
