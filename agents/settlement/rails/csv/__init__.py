"""A rail that speaks CSV by files, by a mapping of columns."""
