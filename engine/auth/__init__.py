"""Who may do what: keys, scopes, ephemeral keys."""
