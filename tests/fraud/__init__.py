"""Tests of the fraud rules without Kafka."""
