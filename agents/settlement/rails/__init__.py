"""Rails: what speaks to a payment rail, one file for each kind, and the courier that calls them."""
