"""A rail that speaks ISO 20022 by files: pain.001 out; pain.002, pacs.002 and camt.054 in."""
