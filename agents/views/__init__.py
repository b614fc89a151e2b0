"""Views: read models of the ledger in SQL, folded from its events. They answer questions and decide nothing."""
