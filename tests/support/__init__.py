"""What several tests need: records to write, and disks that stop or fail when told to."""
