"""Settlement as operators see it: batches, positions, alerts, forecasts, and what they order."""
