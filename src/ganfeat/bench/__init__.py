"""How fast everything is on this machine: ``make bench``."""
