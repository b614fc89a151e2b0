"""The fraud role: rules evaluated on the ledger stream, in event time, and the alerts that they raise."""
