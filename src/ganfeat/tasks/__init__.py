"""What artefacts are good for: tasks that score or show them."""
