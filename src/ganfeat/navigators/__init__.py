"""Methods that find edits: one file is one method."""
