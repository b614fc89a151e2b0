"""Questions to the views: SQL in, typed rows out. Each takes a connection that sees one state (`database.snapshot`)."""
