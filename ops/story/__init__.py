"""The story: a few wallets and all that may be asked of them, played by the real machine in memory.

`schemas/examples/story/*.jsonl` says what is asked, line by line; the golden examples in `schemas/examples` and the
examples on the reference pages are what the ledger makes of it.
"""
