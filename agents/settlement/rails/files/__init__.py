"""Rails that are spoken to by files: an outbox that somebody uploads, an inbox that somebody fills."""
