"""A camera that pans, shakes, shifts suddenly and zooms, but stays in its place.

As it only turns and zooms, the far background moves by one exact homography per frame, which is
what makes the world's optical flow exact. Angles in radians, focal length in pixels.
"""

from dataclasses import dataclass

import numpy as np

#: Metres: where the camera stands.
POSITION = np.array([0.0, 1.5, 0.0])


#: Radians a pan swings to either side, and frames it takes there and back; evenly drawn in its logarithm.
PAN, PAN_PERIOD = (0.05, 0.3), (30, 240)


@dataclass(frozen=True)
class Camera:
    """yaw, pitch, focal (T,): per frame; size: (width, height) of the image in pixels."""

    yaw: np.ndarray
    pitch: np.ndarray
    focal: np.ndarray
    size: tuple[int, int]

    def rotations(self) -> np.ndarray:
        """(T, 3, 3) from world to camera axes (x right, y down, z forward)."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        zero, one = np.zeros_like(cy), np.ones_like(cy)
        turn = [cy, zero, -sy], [zero, one, zero], [sy, zero, cy]
        tilt = [one, zero, zero], [zero, -cp, sp], [zero, sp, cp]
        return np.moveaxis(np.array(tilt), -1, 0) @ np.moveaxis(np.array(turn), -1, 0)

    def intrinsics(self) -> np.ndarray:
        """(T, 3, 3) camera matrices."""
        out = np.zeros((len(self.focal), 3, 3))
        out[:, 0, 0] = out[:, 1, 1] = self.focal
        out[:, 0, 2], out[:, 1, 2], out[:, 2, 2] = self.size[0] / 2, self.size[1] / 2, 1
        return out

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (P, T, …, 3) metres → pixels (P, T, …, 2) and depth (P, T, …) metres."""
        t = len(self.focal)
        flat = (points - POSITION).reshape(points.shape[0], t, -1, 3)
        seen = flat @ np.swapaxes(self.rotations(), -1, -2)
        depth = np.maximum(seen[..., 2], 0.3)
        xy = seen[..., :2] / depth[..., None] * self.focal[:, None, None] + np.array(self.size) / 2
        return xy.reshape(*points.shape[:-1], 2), depth.reshape(points.shape[:-1])

    def background(self, focal: float, size: tuple[int, int]) -> np.ndarray:
        """(T, 3, 3) homographies from a backdrop, as an unturned camera of that focal sees it, to frames."""
        backdrop = np.array([[focal, 0, size[0] / 2], [0, -focal, size[1] / 2], [0, 0, 1]])
        return self.intrinsics() @ self.rotations() @ np.linalg.inv(backdrop)


def random_camera(
    rng: np.random.Generator, n_frames: int, size: tuple[int, int], pan: float, shake: float, shift: float, zoom: float
) -> Camera:
    """A camera whose movements are present with the given probabilities; strengths are random."""
    t = np.arange(n_frames)
    yaw, pitch, zoomed = np.zeros(n_frames), np.full(n_frames, -0.02), np.ones(n_frames)
    if rng.random() < pan:
        period = np.exp(rng.uniform(*np.log(PAN_PERIOD)))
        yaw += rng.uniform(*PAN) * np.sin(2 * np.pi * t / period + rng.uniform(0, 2 * np.pi))
    if rng.random() < shake:
        window = np.hanning(9) / 4
        noise = [np.convolve(rng.normal(0, 1, n_frames + 8), window, "valid") for _ in range(2)]
        yaw, pitch = yaw + rng.uniform(0.001, 0.006) * noise[0], pitch + rng.uniform(0.001, 0.005) * noise[1]
    if rng.random() < shift:
        jump = rng.choice([-1, 1]) * rng.uniform(0.08, 0.2)
        yaw += jump * (t >= rng.integers(n_frames // 4, 3 * n_frames // 4))
    if rng.random() < zoom:
        zoomed *= 1 + rng.uniform(0.1, 0.35) * np.sin(2 * np.pi * t / rng.uniform(90, 260) + rng.uniform(0, 2 * np.pi))
    focal = rng.uniform(0.95, 1.35) * size[0] * zoomed
    return Camera(yaw, pitch, focal, size)
