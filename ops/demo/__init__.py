"""The whole pipeline on one machine in about a minute, with a worker killed in the middle."""
