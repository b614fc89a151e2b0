"""Benchmarks: this pipeline beside others on the same machine, broker and requests."""
