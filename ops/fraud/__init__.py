"""Fraud rules outside the stream: tried on history, made visible, compared."""
