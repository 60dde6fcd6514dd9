"""Methods that train or fit an encoder: one file (or folder) is one method."""
