"""Commands for a data folder, asked of the server that holds it over ``<data>/control.sock``.

One request a connection: a line of JSON in, lines of JSON out, of which the last is the result or
a problem. Where no server runs, a command holds the folder itself and calls the same handlers.
"""
