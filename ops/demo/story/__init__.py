"""A short story of every operation, played on a ledger and printed as a ledger that a person can follow."""
