"""Bytes on the wire that need no connection to be made. Pure, and below everything."""
