"""Settlement: batches of processed transactions on payment rails, and what the rails answer."""
