"""The independent auditor: proves the ledger from its log alone.

It shares no code with the ledger and its runtime, only the contracts in `schemas`: a mistake there cannot hide itself
here.
"""
