"""The box and the camera: where points of a room are seen.

A point of the room is (p, q, up) in metres: `p` along the left wall and `q` along the right wall,
both from the corner that the camera looks at, `up` from the floor. The left wall is the plane
q = 0, the right wall is p = 0. In the picture x points right and y down, both in half sides.

The camera looks straight ahead, so that upright lines stay upright; its picture is shifted up a
little on the sensor, as photographers of rooms do, to show more floor than ceiling.
"""

import numpy as np

from ganfeat.data.drawn.factors import Array

CEILING = 2.6  # metres
DISTANCE = 4.2  # from the camera to the corner, along the view
FOCAL = 1.05  # half sides: 87 degrees from side to side
HORIZON = -0.08  # half sides

# The six points of a layout, and which two of them make each of the five lines. The points on the
# picture's edges may lie above or below it.
POINTS = (
    "floor corner", "ceiling corner", "left floor", "left ceiling", "right floor", "right ceiling",
)  # fmt: skip
LINES = ((0, 1), (0, 2), (1, 3), (0, 4), (1, 5))


class Camera:
    """The views of N rooms.

    Args:
        corner_x: [N] sides, where the edge between the walls stands.
        yaw: [N] degrees, how far the camera is turned to the right from seeing both walls alike.
        height: [N] metres.

    Attributes:
        p, q: [N] where it stands.
        sin, cos: [N] of the angle between its view and the left wall.
    """

    def __init__(self, corner_x: Array, yaw: Array, height: Array) -> None:
        angle = np.deg2rad(45 - yaw)
        self.sin, self.cos, self.height = np.sin(angle), np.cos(angle), height
        self.corner = 2 * corner_x
        self._aside = self.corner * DISTANCE / FOCAL
        self.p = self._aside * self.sin + DISTANCE * self.cos
        self.q = DISTANCE * self.sin - self._aside * self.cos

    def see(self, p: Array | float, q: Array | float, up: Array | float) -> tuple[Array, Array]:
        """Picture coordinates of points of the room."""
        depth = DISTANCE - p * self.cos - q * self.sin
        x = FOCAL * (self._aside - p * self.sin + q * self.cos) / depth
        return x, HORIZON + FOCAL * (self.height - up) / depth

    def layout(self) -> Array:
        """The six points of `POINTS`, [N,6,2] in half sides."""
        floor, ceiling = (self.see(0.0, 0.0, up) for up in (0.0, CEILING))
        points = [floor, ceiling]
        # All lines of a wall meet at the horizon, in the direction in which the wall runs.
        for edge, vanishing in ((-1.0, self.sin / self.cos), (1.0, -self.cos / self.sin)):
            at = FOCAL * vanishing
            for x, y in (floor, ceiling):
                along = (at - edge) / (at - x)
                points.append((np.full_like(x, edge), HORIZON + (y - HORIZON) * along))
        return np.array(points).transpose(2, 0, 1)
