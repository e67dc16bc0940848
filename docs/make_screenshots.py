"""Makes the README's pictures of the practice cluster: `python docs/make_screenshots.py` (needs rsvg-convert).

For each fault a practice cluster is started, and this file is run once more inside of it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tui.app import KwinnowApp
from tui.opening import Options

IMAGES = Path(__file__).parent / "images"
# fault → its pictures, and the keys that lead to each from the fleet
PICTURES: dict[str, dict[str, list[str]]] = {
    "cni.flannel.vni": {"fleet": [], "findings": ["f"]},
    "runtime.containerd.stopped": {"node": ["j", "j", "enter"], "why": ["j", "j", "w"]},
}


async def picture(name: str, keys: list[str]) -> None:
    app = KwinnowApp(Options())
    async with app.run_test(size=(120, 36)) as pilot:
        while app.work is None or app.work.report is None or app.work.running:
            await pilot.pause(0.1)
        await pilot.pause(0.5)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.5)
        svg = IMAGES / f"{name}.svg"
        drawn = app.export_screenshot(title="kwinnow")
        svg.write_text(drawn.replace("<text ", '<text xml:space="preserve" '), "utf-8")
    subprocess.run(["rsvg-convert", "--zoom", "1", "-o", str(svg.with_suffix(".png")), str(svg)], check=True)
    svg.unlink()


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for fault in sys.argv[1:]:
        for name, keys in PICTURES[fault].items():
            asyncio.run(picture(name, keys))
    if not sys.argv[1:]:
        here = [sys.executable, str(Path(__file__))]
        for fault in PICTURES:
            subprocess.run(["kwinnow", "lab", "--plant", fault, "--", *here, fault], check=True)


if __name__ == "__main__":
    main()
