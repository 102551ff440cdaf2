"""Images are the same wherever they are kept, and scratch files take no more room than they are given."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_preprocess import noise, particle_images

from cryofifa import InputError
from cryofifa.particles.kept_images import (
    ImageCache,
    ImagesInMemory,
    ImagesInStacks,
    ImagesOnDisk,
    KeptImages,
    Room,
    image_bytes,
    keep_images,
)
from cryofifa.particles.preprocess import Frame, ParticleImages
from cryofifa.system.memory import GIB

FRAME = Frame(window_pixel=32, box_size=24, input_pixel_size_angstrom=2.0)
ROWS = np.array([1, 2, 3, 5, 7, 8, 9, 10, 15, 19])
NO_MEMORY = 10**6 * GIB  # that the run needs for other things


@pytest.fixture
def images(tmp_path: Path) -> ParticleImages:
    return particle_images(tmp_path, noise(20, 48).numpy() * 7 + 3, [2.0] * 20)


def kept(images: ParticleImages, cache: ImageCache | None, besides: int, rows: np.ndarray = ROWS) -> KeptImages:
    said: list[str] = []
    found = keep_images(images, FRAME, rows, torch.device("cpu"), Room(None, cache), besides, said.append)
    assert len(said) == (not isinstance(found, ImagesInMemory))
    return found


def scratch_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_the_user_gives_is_where_images_may_be(tmp_path: Path):
    assert Room.of_settings(None, None, 100.0) == Room(None, None)
    assert Room.of_settings(2.0, str(tmp_path), 5.0) == Room(2.0, ImageCache(tmp_path, 5.0))


def test_images_are_the_same_bits_in_memory_on_disk_and_from_the_stacks(images: ParticleImages, tmp_path: Path):
    everywhere = [
        kept(images, None, 0),
        kept(images, ImageCache(tmp_path / "cache", 1.0), NO_MEMORY),
        kept(images, None, NO_MEMORY),
    ]
    assert [type(one) for one in everywhere] == [ImagesInMemory, ImagesOnDisk, ImagesInStacks]
    for position in (torch.arange(10), torch.tensor([7, 0, 1, 2, 9, 3]), torch.tensor([4])):
        wanted = images.in_frame(ROWS[position.numpy()], FRAME)
        for one in everywhere:
            assert one.box_size == 24
            one.announce(position)
            found = one.read(position)
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-7)
            assert torch.equal(found, everywhere[0].read(position))


def test_what_16_bits_cannot_hold_is_cut_off(tmp_path: Path):
    image = noise(20, 48).numpy()
    image[3, 24, 24] = 3e6
    images = particle_images(tmp_path, image, [2.0] * 20)
    found = kept(images, None, 0).read(torch.tensor([2]))
    assert float(found.max()) == 65504


def test_a_scratch_file_is_used_again_and_only_for_the_same_images(
    images: ParticleImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cache = ImageCache(tmp_path / "cache", 1.0)
    first = kept(images, cache, NO_MEMORY).read(torch.arange(10))
    files = scratch_files(cache.folder)
    assert len(files) == 1
    with monkeypatch.context() as patch:
        patch.setattr(ParticleImages, "in_frame", lambda *_: pytest.fail("the stacks are read again"))
        assert torch.equal(kept(images, cache, NO_MEMORY).read(torch.arange(10)), first)
    others = (
        (images, ROWS[1:]),
        (replace(images, table=images.table.inverted()), ROWS),
    )
    for number, (other, rows) in enumerate(others, start=2):
        kept(other, cache, NO_MEMORY, rows)
        assert len(scratch_files(cache.folder)) == number


def test_what_was_used_longest_ago_goes_and_what_is_read_stays_readable(images: ParticleImages, tmp_path: Path):
    folder, size = tmp_path / "cache", image_bytes(FRAME, 5)
    folder.mkdir()
    (folder / "mine.txt").write_text("stays")
    cache = ImageCache(folder, 2.5 * size / GIB)
    sets = [ROWS[:5], ROWS[1:6], ROWS[2:7]]
    names = []
    for age, rows in zip((100, 50), sets[:2], strict=True):
        found = kept(images, cache, NO_MEMORY, rows)
        (name,) = set(scratch_files(folder)) - {"mine.txt", *names}
        names.append(name)
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    again = kept(images, cache, NO_MEMORY, sets[0])  # used again: now the second is the oldest
    kept(images, cache, NO_MEMORY, sets[2])
    left = scratch_files(folder)
    assert "mine.txt" in left
    assert names[0] in left
    assert names[1] not in left
    assert len(left) == 3
    torch.testing.assert_close(found.read(torch.arange(5)), images.in_frame(sets[1], FRAME), rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(again.read(torch.arange(5)), images.in_frame(sets[0], FRAME), rtol=1e-3, atol=1e-7)


def test_what_a_killed_process_left_half_written_goes_and_what_another_writes_stays(
    images: ParticleImages, tmp_path: Path
):
    cache = ImageCache(tmp_path / "cache", 1.0)
    cache.folder.mkdir()
    known = f".cryofifa-{'0' * 40}.float16"
    left, written, foreign = (
        cache.folder / name
        for name in (f"{known}.01234567.part.float16", f"{known}.89abcdef.part.float16", ".mine.01234567.part")
    )
    for path in (left, written, foreign):
        path.write_text("half")
    for path in (left, foreign):
        os.utime(path, (0, 0))
    kept(images, cache, NO_MEMORY)
    assert not left.exists()
    assert written.exists()
    assert foreign.exists()


def test_without_room_on_disk_the_stacks_are_read(images: ParticleImages, tmp_path: Path):
    cache = ImageCache(tmp_path / "cache", image_bytes(FRAME, 9) / GIB)
    assert isinstance(kept(images, cache, NO_MEMORY), ImagesInStacks)
    assert not (tmp_path / "cache").exists()


def test_a_scratch_file_that_was_cut_short_is_named(images: ParticleImages, tmp_path: Path):
    found = kept(images, ImageCache(tmp_path / "cache", 1.0), NO_MEMORY)
    (path,) = (tmp_path / "cache").iterdir()
    os.truncate(path, image_bytes(FRAME, 9))
    found.read(torch.arange(9))
    with pytest.raises(InputError, match=rf"{path.name}: was cut short"):
        found.read(torch.arange(10))
    # one of another size is not taken for a whole one
    assert torch.isfinite(kept(images, ImageCache(tmp_path / "cache", 1.0), NO_MEMORY).read(torch.arange(10))).all()


def test_a_folder_that_cannot_be_used_is_named(images: ParticleImages, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be used as --cache"):
        kept(images, ImageCache(tmp_path / "file", 1.0), NO_MEMORY)
