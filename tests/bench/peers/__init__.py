"""The servers beside Parley: how they are pinned, installed and started."""
