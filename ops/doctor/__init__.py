"""Looks at everything that Walletstream needs, and says what is wrong and how to mend it."""

from ops.doctor.diagnosis import diagnose
from ops.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "diagnose"]
