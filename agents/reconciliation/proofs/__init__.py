"""Proofs from the ledger alone: the general ledger of a day, the safeguarding identity, statements.

Pure: a fold over the entries of each partition, whose totals are added up.
"""
