"""Makes the input pixels of the golden vectors: <name>-<size>.rgb.gz, size x size x 3 bytes RGB, row-major, gzipped.

python3 make-input.py PNG NAME SIZE [SIZE ...]     (Pillow; transparent pixels are laid on white, stretched to a square, bilinear)
"""
import gzip
import sys

from PIL import Image

source, name, *sizes = sys.argv[1:]
image = Image.open(source).convert("RGBA")
white = Image.new("RGBA", image.size, (255, 255, 255, 255))
rgb = Image.alpha_composite(white, image).convert("RGB")
for size in map(int, sizes):
    with open(f"{name}-{size}.rgb.gz", "wb") as file:
        file.write(gzip.compress(rgb.resize((size, size), Image.BILINEAR).tobytes(), 9, mtime=0))
