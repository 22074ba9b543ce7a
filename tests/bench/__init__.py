"""The harness is tested, never the speed: a figure is worth what its harness can see."""
