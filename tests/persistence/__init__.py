"""What single backends promise beyond the contracts."""
