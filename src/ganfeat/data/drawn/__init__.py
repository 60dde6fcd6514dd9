"""What the renderers of images with known factors share."""
