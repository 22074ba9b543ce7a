"""Bytes that survive. This package moves records and knows no domain word."""
