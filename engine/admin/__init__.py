"""What the workspace's own people do: so far, erasing somebody."""
