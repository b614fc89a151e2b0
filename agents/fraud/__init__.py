"""Fraud: rules on the ledger's stream, by event time. They raise alerts, and ask for actions; they move no money."""
