"""Takes docs/images/page.png: the page of a trained model in headless Chromium, with a generated garment on it.

python docs/make_page_picture.py runs/quickstart/student
python docs/make_page_picture.py runs/quickstart/student 390 phone.png    # as wide as a phone, elsewhere
"""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

import mtss_zoo
from mtss_zoo.demo.server import address, listen, make_server

sys.path.append(str(Path(__file__).parents[1] / "tests" / "demo"))
import chromium

OUT = Path(__file__).parent / "images" / "page.png"
HEIGHT = 640
PATIENCE = 120_000


def picture(url: str, width: int) -> Image.Image:
    """The page once it has answered for its first example, heat maps closed."""
    options = chromium.launch_options()
    if options is None:
        sys.exit(f"no browser: {chromium.HOW}.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        page = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        page.locator("#examples button").first.click()
        page.wait_for_selector("#where summary")
        page.wait_for_function("[...document.images].every(image => image.complete)")
        page.evaluate("document.activeElement.blur()")
        taken = page.screenshot(full_page=True, animations="disabled")
        browser.close()
    return Image.open(io.BytesIO(taken)).convert("RGB")


def main(folder: str, width: str = "1100", out: str = str(OUT)) -> None:
    with listen("127.0.0.1", None) as listening, TemporaryDirectory() as uploads:
        server = make_server(mtss_zoo.load(folder), Path(uploads), explain=True, examples=None, top_k=3)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            picture(address(listening), int(width)).quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)
        finally:
            server.should_exit = True
            thread.join()
    print(f"{out}: {Path(out).stat().st_size // 1000} KB")


if __name__ == "__main__":
    main(*sys.argv[1:])
