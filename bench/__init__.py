"""Benchmarks: how fast, how much, against whom. What a test may not time is measured here."""
