"""Pictures whose every pixel is known: white noise, and Gaussians."""

import torch


def noise(count: int, size: int, seed: int = 0) -> torch.Tensor:
    """Images of white noise of sd 1."""
    return torch.randn(count, size, size, generator=torch.Generator().manual_seed(seed))


def gaussian(size: int, width: float, at: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:
    """An image of a Gaussian of sd `width` pixels, at (x, y) from the centre, 1 at its peak."""
    line = torch.arange(size) - size // 2
    square = (line - at[0]).square() + (line[:, None] - at[1]).square()
    return torch.exp(-square / (2 * width**2))
