"""The courier: hands ready batches to their rails, and brings back what the rails answer."""
