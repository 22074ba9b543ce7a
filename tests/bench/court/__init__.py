"""The court: its rules and its table, and one small sitting."""
