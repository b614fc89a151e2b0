"""What is decided: each role is a thin Faust agent beside pure modules."""
