"""Generated traffic for trying fraud rules: honest people, and attacks among them that are labelled. Seeded."""
