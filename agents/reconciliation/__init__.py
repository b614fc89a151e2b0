"""Reconciliation: what the ledger says against what partners and banks say."""
