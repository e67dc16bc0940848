"""Makes the README's pictures from recordings: `python docs/make_screenshots.py VNI STOPPED` (needs rsvg-convert).

Recordings of the practice cluster: `kwinnow lab --plant cni.flannel.vni -- kwinnow check --save VNI`, and the same with
runtime.containerd.stopped and STOPPED.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tui.app import KwinnowApp
from tui.opening import Options

IMAGES = Path(__file__).parent / "images"
# picture → which recording it is of, and the keys that lead to it from the fleet
PICTURES: dict[str, tuple[int, list[str]]] = {
    "findings": (1, ["f"]),
    "node": (2, ["j", "j", "enter"]),
    "why": (2, ["j", "j", "w"]),
}


async def picture(recording: Path, name: str, keys: list[str]) -> None:
    app = KwinnowApp(Options(open=recording))
    async with app.run_test(size=(120, 36)) as pilot:
        while app.work is None or app.work.report is None or app.work.running:
            await pilot.pause(0.1)
        await pilot.pause(0.5)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.5)
        svg = IMAGES / f"{name}.svg"
        svg.write_text(app.export_screenshot(title="kwinnow"), "utf-8")
    subprocess.run(["rsvg-convert", "--zoom", "1", "-o", str(svg.with_suffix(".png")), str(svg)], check=True)
    svg.unlink()


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for name, (recording, keys) in PICTURES.items():
        asyncio.run(picture(Path(sys.argv[recording]), name, keys))


if __name__ == "__main__":
    main()
