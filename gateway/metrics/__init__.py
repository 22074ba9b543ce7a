"""Figures for operators: declared in one table, counted cheaply, read when asked for."""
