"""Business time of an environment."""
