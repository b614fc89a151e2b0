"""The one error of the embedded broker."""

from __future__ import annotations


class BrokerError(RuntimeError):
    """The embedded broker cannot do what was asked; the message says why and what to do about it."""
