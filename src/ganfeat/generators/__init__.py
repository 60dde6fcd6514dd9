"""Methods that train a generator; one file is one method."""
