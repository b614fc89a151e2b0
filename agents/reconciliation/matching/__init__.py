"""The matcher: two sides of lines and rules in, matches and reasons out. Pure, and a function of the set of lines."""
