"""The ledger: decides commands, keeps the books, answers every request exactly once."""
