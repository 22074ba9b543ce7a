"""From a committed event to everybody who follows it: rooms, members, and who is here."""
