"""The API's documentation in a browser: Swagger UI out of a package, and our own page."""
