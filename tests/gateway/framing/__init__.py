"""The realtime dialogue, and what waits for one client."""
