"""JSON Schema of every contract, and the gate that keeps them compatible. For development and CI, not for workers."""
