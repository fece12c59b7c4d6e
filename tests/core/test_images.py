"""Pictures of every kind become the same RGB tensor, or are refused by name and in words."""

import io
import os
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as F

from mtss_zoo import pil_images
from mtss_zoo.errors import ImageError
from mtss_zoo.images import Preprocess, crop, decode
from mtss_zoo.pil_images import MAX_BYTES, MAX_PIXELS, Fit, Interpolation

HEIGHT, WIDTH = 6, 9
ORIENTATION = 0x0112


def gradient(height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """Red grows to the right, green downwards: no two corners are equal, so every turn shows."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 90)], -1).astype(np.uint8))


def flat(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (WIDTH, HEIGHT), colour)  # type: ignore[arg-type]


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces its size and ends before its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header announces another size."""
    data = bytearray(encoded(gradient(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def palette_with_alpha() -> bytes:
    image = flat("P", 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    return encoded(image, "PNG", transparency=bytes([0, 255]))


RED_OVER_WHITE = (255, 127, 127)
ZOO: dict[str, tuple[Callable[[], bytes], tuple[int, int, int]]] = {
    "jpeg": (lambda: encoded(flat("RGB", (200, 30, 90)), "JPEG", quality=100), (200, 30, 90)),
    "greyscale jpeg": (lambda: encoded(flat("L", 77), "JPEG"), (77, 77, 77)),
    "CMYK jpeg, inverted as Adobe does": (lambda: encoded(flat("CMYK", (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "CMYK tiff": (lambda: encoded(flat("CMYK", (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
    "png": (lambda: encoded(flat("RGB", (1, 2, 3)), "PNG"), (1, 2, 3)),
    "greyscale png": (lambda: encoded(flat("L", 77), "PNG"), (77, 77, 77)),
    "black and white png": (lambda: encoded(flat("1", 1), "PNG"), (255, 255, 255)),
    "palette png": (lambda: encoded(flat("RGB", (1, 2, 3)).quantize(4), "PNG"), (1, 2, 3)),
    "RGBA, opaque": (lambda: encoded(flat("RGBA", (1, 2, 3, 255)), "PNG"), (1, 2, 3)),
    "RGBA, half transparent": (lambda: encoded(flat("RGBA", (255, 0, 0, 128)), "PNG"), RED_OVER_WHITE),
    "RGBA, transparent": (lambda: encoded(flat("RGBA", (9, 9, 9, 0)), "PNG"), (255, 255, 255)),
    "LA, half transparent": (lambda: encoded(flat("LA", (0, 128)), "PNG"), (127, 127, 127)),
    "palette with alpha": (palette_with_alpha, (255, 255, 255)),
    "colour key": (lambda: encoded(flat("RGB", (1, 2, 3)), "PNG", transparency=(1, 2, 3)), (255, 255, 255)),
    "16 bit grey png": (
        lambda: encoded(Image.fromarray(np.full((6, 9), 200 * 257, np.uint16)), "PNG"),
        (200, 200, 200),
    ),
    "16 bit grey tiff": (
        lambda: encoded(Image.fromarray(np.full((6, 9), 200 * 257, np.uint16)), "TIFF"),
        (200, 200, 200),
    ),
    "16 bit pgm": (lambda: b"P5 9 6 65535\n" + struct.pack(">H", 200 * 257) * 54, (200, 200, 200)),
    "animated gif": (
        lambda: encoded(flat("RGB", (255, 0, 0)), "GIF", save_all=True, append_images=[flat("RGB", (0, 0, 255))]),
        (255, 0, 0),
    ),
    "webp": (lambda: encoded(flat("RGB", (0, 0, 255)), "WEBP", lossless=True), (0, 0, 255)),
    "bmp": (lambda: encoded(flat("RGB", (1, 2, 3)), "BMP"), (1, 2, 3)),
}


@pytest.mark.parametrize("kind", ZOO)
def test_every_kind_of_picture_becomes_rgb(kind: str) -> None:
    make, colour = ZOO[kind]
    decoded = decode(make(), kind)
    assert decoded.dtype == torch.uint8
    assert decoded.shape == (3, HEIGHT, WIDTH)
    assert (decoded.int() - torch.tensor(colour).view(3, 1, 1)).abs().max() <= 1


@pytest.mark.parametrize("kind", ZOO)
def test_pillow_alone_decodes_the_same(kind: str) -> None:
    data = ZOO[kind][0]()
    assert torch.equal(tensor(pil_images.decode(data, kind)), decode(data, kind))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_path_bytes_and_opened_picture_are_the_same(image_format: str, tmp_path: Path) -> None:
    data = encoded(gradient(), image_format)
    (tmp_path / "picture").write_bytes(data)
    expected = tensor(Image.open(io.BytesIO(data)))
    for source in (data, tmp_path / "picture", str(tmp_path / "picture"), Image.open(io.BytesIO(data))):
        assert torch.equal(decode(source, "picture"), expected)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright(orientation: int, mode: str, image_format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(gradient(20, 33).convert(mode), image_format, exif=exif)
    expected = tensor(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert torch.equal(decode(data, "turned"), expected)
    assert torch.equal(decode(Image.open(io.BytesIO(data)), "turned"), expected)
    assert torch.equal(tensor(pil_images.decode(data, "turned")), expected)


def test_16_bit_is_scaled_and_rounded() -> None:
    wide = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    decoded = decode(encoded(Image.fromarray(wide), "PNG"), "wide")
    assert decoded[0].tolist() == [[0, 0, 1, 1, 128, 255]]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF"])
def test_one_pixel_is_a_picture(image_format: str) -> None:
    decoded = decode(encoded(Image.new("RGB", (1, 1), "white"), image_format), "dot")
    assert decoded.tolist() == [[[255]], [[255]], [[255]]]
    assert Preprocess(8, 6, fit="crop").resize(decoded).unique().tolist() == [255]


def test_a_tensor_is_taken_as_it_is() -> None:
    image = torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8)
    assert torch.equal(decode(image, "tensor"), image)


@pytest.mark.parametrize("image", [torch.rand(3, 4, 5), torch.zeros(4, 5, 3).byte(), torch.zeros(3, 0, 5).byte()])
def test_another_tensor_is_refused(image: torch.Tensor) -> None:
    with pytest.raises(ImageError, match=r"tensor 7 .*uint8 \(3, H, W\) is needed"):
        decode(image, "tensor 7")


JPEG, PNG = encoded(gradient(40, 60), "JPEG"), encoded(gradient(40, 60), "PNG")
REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"<html>404 not found</html>", "is not a picture in a format that is read here"),
    "EPS, which Pillow would hand to Ghostscript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "not a picture",
    ),
    "JPEG cut in half": (JPEG[: len(JPEG) // 2], "is cut off"),
    "JPEG of ten bytes": (JPEG[:10], "is cut off"),
    "PNG cut in half": (PNG[: len(PNG) // 2], "is cut off"),
    "PNG header alone": (png_header(5, 5), "is cut off"),
    "PNG bomb": (png_header(30000, 30000), f"has more than {MAX_PIXELS:,} pixels"),
    "JPEG bomb": (jpeg_of_size(65000, 65000), f"has more than {MAX_PIXELS:,} pixels"),
    "large PNG that Pillow warns of": (png_header(10000, 10000), "is cut off"),
    "floating point": (encoded(Image.new("F", (4, 4), 0.5), "TIFF"), "holds floating point numbers"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_named_and_explained(kind: str, recwarn: pytest.WarningsRecorder) -> None:
    data, reason = REFUSED[kind]
    with pytest.raises(ImageError) as refused:
        decode(data, "shop/17.jpg")
    assert "shop/17.jpg" in str(refused.value)
    assert reason in str(refused.value)
    assert not recwarn.list


def test_a_path_that_holds_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"picture 17 \(.*17\.jpg\) cannot be used: it does not exist\."):
        decode(tmp_path / "17.jpg", "17")
    with pytest.raises(ImageError, match="is a folder"):
        decode(tmp_path, "folder")
    with pytest.raises(ImageError) as refused:
        decode("missing.jpg", "missing.jpg")
    assert str(refused.value).count("missing.jpg") == 1


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in (tmp_path / "pipe.jpg", "/dev/zero"):
        with pytest.raises(ImageError, match="it is a pipe, a socket or a device, but a file is needed"):
            decode(name, str(name))


def test_a_file_that_would_take_all_memory_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="has more than 1,431,655,760 bytes"):
        decode(tmp_path / "huge.jpg", "huge.jpg")


def test_odd_metadata_gives_no_warning() -> None:
    exif = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x05\x01\x12"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(encoded(gradient(), "JPEG", exif=exif), "odd").shape == (3, HEIGHT, WIDTH)
        assert decode(palette_with_alpha(), "palette").shape == (3, HEIGHT, WIDTH)


SIGNATURES = [
    b"",
    JPEG[:20],
    PNG[:33],
    b"GIF89a\x05\x00\x05\x00",
    b"II*\x00\x08\x00\x00\x00",
    b"BM",
    b"RIFF\x24\0\0\0WEBPVP8 ",
    b"P6 4 4 255\n",
]


@given(st.sampled_from(SIGNATURES), st.binary(max_size=200))
@example(b"", b"\xff\xd8\xff")
def test_random_bytes_are_refused_or_read(start: bytes, rest: bytes) -> None:
    assert_refused_or_read(start + rest)


FILES = [encoded(gradient(), f) for f in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM")]


@given(st.sampled_from(FILES), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8))
def test_damaged_files_are_refused_or_read(data: bytes, damage: list[tuple[float, int]]) -> None:
    damaged = bytearray(data)
    for where, value in damage:
        damaged[int(where * len(data))] = value
    assert_refused_or_read(bytes(damaged))


def assert_refused_or_read(data: bytes) -> None:
    try:
        decoded = decode(data, "odd.jpg")
    except ImageError as error:
        assert "odd.jpg" in str(error)
    else:
        assert decoded.dtype == torch.uint8
        assert decoded.shape[0] == 3


def test_squash_is_torchvisions_resize() -> None:
    image = tensor(gradient(40, 60))
    assert torch.equal(Preprocess(16, 12).resize(image), F.resize(image, [16, 12], antialias=True))


def test_memory_layout_has_no_influence() -> None:
    channels_last = tensor(gradient(40, 60))
    for height, width in [(16, 12), (80, 60), (7, 90)]:
        p = Preprocess(height, width)
        assert torch.equal(p.resize(channels_last), p.resize(channels_last.contiguous()))


def test_crop_keeps_the_centre_and_the_aspect_ratio() -> None:
    image = torch.zeros(3, 10, 30, dtype=torch.uint8)
    image[:, :, 10:20] = 200
    assert Preprocess(5, 5, fit="crop").resize(image).unique().tolist() == [200]
    assert Preprocess(5, 5, fit="crop").resize(image.mT).unique().tolist() == [200]


def test_a_crop_of_seven_eighths_is_resizing_to_256_and_cropping_to_224() -> None:
    """Bicubic, as MAE and Semi-ViT evaluate; only at the rim the pixels outside the crop are not seen."""
    image = tensor(Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 768, 3), dtype=np.uint8)))
    resized = F.resize(image, [256], interpolation=F.InterpolationMode.BICUBIC, antialias=True)
    found = Preprocess(224, 224, "crop", interpolation="bicubic", crop_pct=0.875).resize(image)
    assert torch.equal(found[:, 4:-4, 4:-4], F.center_crop(resized, [224, 224])[:, 4:-4, 4:-4])
    framed = torch.zeros(3, 64, 64, dtype=torch.uint8)
    framed[:, 4:-4, 4:-4] = 200
    assert Preprocess(8, 8, "crop", crop_pct=0.875).resize(framed).unique().tolist() == [200]


def test_pad_keeps_everything_on_white() -> None:
    image = torch.zeros(3, 10, 20, dtype=torch.uint8)
    padded = Preprocess(8, 8, fit="pad").resize(image)
    assert padded[0, :, 0].tolist() == [255, 255, 0, 0, 0, 0, 255, 255]
    assert torch.equal(Preprocess(8, 8, fit="pad").resize(image.mT), padded.mT)


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30000), (30000, 1), (2, 3)])
def test_any_shape_fits(fit: str, shape: tuple[int, int]) -> None:
    image = torch.full((3, *shape), 255, dtype=torch.uint8)
    resized = Preprocess(8, 6, fit=fit).resize(image)  # type: ignore[arg-type]
    assert resized.shape == (3, 8, 6)
    assert resized.unique().tolist() == [255]


@given(
    st.sampled_from(["squash", "crop", "pad"]),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 99),
    st.sampled_from(["bilinear", "bicubic"]),
    st.sampled_from([1.0, 0.875]),
)
def test_pillow_alone_resizes_the_same_up_to_rounding(
    fit: Fit, size: tuple[int, int], to: tuple[int, int], seed: int, how: Interpolation, crop_pct: float
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    ours = tensor(pil_images.resize(Image.fromarray(noise), fit, *to, how, crop_pct)).int()
    preprocess = Preprocess(*to, fit=fit, interpolation=how, crop_pct=crop_pct)
    assert (ours - preprocess.resize(tensor(Image.fromarray(noise))).int()).abs().max() <= 2


def test_pillow_and_torch_round_few_pixels_differently() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    ours = tensor(pil_images.resize(noise, "squash", 224, 224))
    assert (ours != Preprocess(224, 224).resize(tensor(noise))).float().mean() < 0.01
    smooth = gradient(300, 400)
    assert torch.equal(
        tensor(pil_images.resize(smooth, "squash", 224, 224)), Preprocess(224, 224).resize(tensor(smooth))
    )


@pytest.mark.parametrize(
    ("bbox", "rows", "columns"),
    [
        ((2, 1, 5, 4), (1, 4), (2, 5)),
        ((-10, -10, 4, 99), (0, 6), (0, 4)),
        ((2.4, 0.6, 5.4, 3.6), (1, 4), (2, 5)),
        ((3, 1, 4, 5), (0, 6), (0, 9)),
        ((7, 5, 2, 1), (0, 6), (0, 9)),
        ((50, 50, 60, 60), (0, 6), (0, 9)),
    ],
    ids=["inside", "clipped", "rounded", "one pixel wide", "inverted", "outside"],
)
def test_a_box_is_clipped_and_a_faulty_one_gives_the_whole_picture(
    bbox: tuple[float, float, float, float], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    image = tensor(gradient())
    part = image[:, slice(*rows), slice(*columns)]
    assert torch.equal(crop(image, bbox), part)
    assert torch.equal(Preprocess(8, 8).resize(image, bbox), Preprocess(8, 8).resize(part))


def test_normalise_is_torchvisions() -> None:
    images = torch.randint(0, 256, (4, 3, 8, 6), dtype=torch.uint8)
    p = Preprocess(8, 6)
    expected = F.normalize(F.to_dtype(images, torch.float32, scale=True), list(p.mean), list(p.std))
    torch.testing.assert_close(p.normalise(images), expected)
    assert torch.equal(p.normalise(images)[2], p(images[2]))


def test_preprocess_is_a_value() -> None:
    p = Preprocess(8, 6, "pad")
    assert pickle.loads(pickle.dumps(p)) == p
    assert len({p, Preprocess(8, 6, "pad"), Preprocess(6, 8, "pad")}) == 2
