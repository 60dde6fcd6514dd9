"""The head as an ellipsoid, and where its points are seen when it turns.

Axes: x right, y down, z towards the viewer, in units of half a picture's side at size 1; the head's
centre is the origin. Parts are anchored to the surface, so turning the head moves what is near the
viewer more than what is far: parallax.
"""

import numpy as np

from ganfeat.data.drawn.factors import Array

# Half height and half depth of the head; its half width is a factor.
HEAD, DEPTH = 0.65, 0.45


class Pose:
    """Yaw about y, then pitch about x, then an orthographic view, for N heads.

    Args:
        yaw, pitch: [N] degrees, positive towards the image's right and upwards.
        half: [N] half widths of the heads.
    """

    def __init__(self, yaw: Array, pitch: Array, half: Array) -> None:
        self.cos_yaw, self.sin_yaw = np.cos(np.deg2rad(yaw)), np.sin(np.deg2rad(yaw))
        self.cos_pitch, self.sin_pitch = np.cos(np.deg2rad(pitch)), np.sin(np.deg2rad(pitch))
        self.half = half

    def dome(self, x: Array, y: Array | float) -> Array:
        """Depth of the front of the head at (x, y), as a share of its largest depth."""
        rest = 1 - (x / self.half) ** 2 - np.square(y / HEAD)
        return np.sqrt(np.maximum(rest, 0.05))

    def see(self, x: Array, y: Array | float, z: Array) -> tuple[Array, Array]:
        """Where a point of the head is seen."""
        deep = z * self.cos_yaw - x * self.sin_yaw
        return x * self.cos_yaw + z * self.sin_yaw, y * self.cos_pitch - deep * self.sin_pitch

    def on_face(self, x: Array, y: Array | float, out: float = 0.0) -> tuple[Array, Array]:
        """Where a point on the face's surface, lifted by `out`, is seen."""
        return self.see(x, y, DEPTH * self.dome(x, y) + out)

    def stretch(self, x: Array, y: float) -> tuple[Array, Array]:
        """One over the foreshortening of the surface at (x, y), across and along."""
        dome = self.dome(x, y)
        across = self.cos_yaw - self.sin_yaw * DEPTH * x / (self.half**2 * dome)
        along = self.cos_pitch + self.sin_pitch * DEPTH * y / (HEAD**2 * dome)
        return 1 / across.clip(0.4, 1.1), 1 / along.clip(0.6, 1.1)
