"""The realtime door: dialogue, sessions, and the hub that frames every event once."""
