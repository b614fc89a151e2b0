"""Reconciliation outside the stream: files that are matched, imported, reported on."""
