"""The reference in docs/reference, written from the tables that the code itself is made of."""
