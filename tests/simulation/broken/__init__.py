"""The commit protocol with one guard left out each."""
