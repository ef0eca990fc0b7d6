"""A site on this machine, and Chromium to look at it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

AXE = Path(__file__).parents[1] / "build/tools/node_modules/axe-core/axe.min.js"
PHONE = 600
HEIGHT = 800


@dataclass(frozen=True, slots=True)
class Served:
    """An answer: its headers, the content type among them, and its bytes."""

    headers: Mapping[str, str]
    body: bytes


@dataclass
class Site:
    """What a server on this machine has, by path."""

    address: str
    files: dict[str, Served] = field(default_factory=dict)


class Browser:
    """Chromium, with what a test wants to know of a page."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, address: str, *, scheme: str = "light", width: int = 320) -> None:
        """``width`` is that of the window in CSS pixels; a narrow one is a telephone's."""
        phone = width < PHONE
        sizes = {"width": width, "height": HEIGHT, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
        wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
        self.requests()
        self.driver.get(address)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last look."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the browser wrote on its console: what a policy refused, and what failed."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def has_font(self, name: str) -> bool:
        """Whether a font with letters of different widths, or one that stands in for it, is there under that name."""
        return bool(
            self.run(
                "const canvas = document.createElement('canvas').getContext('2d');"
                "const width = font => { canvas.font = `12px ${font}`; return canvas.measureText('iiii').width; };"
                "return width(`${arguments[0]}, monospace`) !== width('monospace');",
                name,
            )
        )

    def picture(self, path: Path) -> None:
        """Writes the whole page as PNG."""
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(taken["data"]))

    def barriers(self) -> list[str]:
        """What axe-core finds serious or critical: rule and place."""
        self.run(AXE.read_text(encoding="utf-8") + ";window.axe = axe;")
        found = self.driver.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
        assert found["passes"]
        return [
            f"{violation['id']}: {node['html']}"
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
