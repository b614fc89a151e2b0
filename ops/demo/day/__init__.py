"""A day of settlement and reconciliation: payouts over two rails, what others say of them, and two people."""
