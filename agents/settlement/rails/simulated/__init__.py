"""A rail that exists on disk only: it pays by writing a journal, and misbehaves as its settings say."""
