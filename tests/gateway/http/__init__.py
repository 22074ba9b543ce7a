"""The rules of HTTP that every route shares."""
